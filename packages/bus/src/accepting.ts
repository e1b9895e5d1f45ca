import type { Bus } from './connection.ts';
import { CHAIN_STREAM, chainDurable, logStream } from './subjects.ts';

/**
 * Resolves when a request would be taken, and its log could be followed: the streams are there, and the orchestrators have a
 * consumer for each partition. They have none after the server has lost its data, until they have looked after it.
 * @throws JetStream's error for the first thing that is not there, or does not answer.
 */
export async function checkAccepting({ jsm }: Pick<Bus, 'jsm'>, partitions: number): Promise<void> {
  // Where the first of the logs' streams is, all of them are.
  await jsm.streams.info(logStream(0));
  const all = Array.from({ length: partitions }, (_, partition) => chainDurable(partition));
  await Promise.all(all.map((durable) => jsm.consumers.info(CHAIN_STREAM, durable)));
}

import { JetStreamApiError } from '@nats-io/jetstream';
import { logStream, logSubject } from '@tailrace/bus';
import type { LogTarget } from './append.ts';
import { decodeMeta, type LogMeta } from './message.ts';

/** The last message of a log, without its frames. */
export interface LogEnd {
  streamSeq: number;
  meta: LogMeta;
}

/**
 * The end of a log as the leader of its stream knows it: for decisions that the fence does not guard, because other copies
 * may lag behind.
 */
export async function readLeaderEnd({ bus, partition, id }: LogTarget): Promise<LogEnd | undefined> {
  const query = { last_by_subj: logSubject(partition, id) };
  const message = await bus.jsm.streams.getMessage(logStream(partition), query);
  return message ? { streamSeq: message.seq, meta: decodeMeta(message.header) } : undefined;
}

/** The end of a log; undefined when it has no messages. */
export async function readEnd({ bus, partition, id }: LogTarget): Promise<LogEnd | undefined> {
  try {
    const message = await bus.jsm.direct.getMessage(logStream(partition), { last_by_subj: logSubject(partition, id) });
    return message ? { streamSeq: message.seq, meta: decodeMeta(message.header) } : undefined;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw error;
  }
}

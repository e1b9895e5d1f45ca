/** Whether there is anything left that the services are still to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import { type Bus, CALLS_STREAM, CHAIN_STREAM, connectBus } from '@tailrace/bus';
import { withDatabase } from './faults/database.ts';

const EVERY_MS = 200;

/** Resolves when no note of a call waits any more to be compared with what is booked, and after `ms` in any case. */
export function callsBooked(natsUrl: string, ms: number): Promise<void> {
  return untilDealtWith(natsUrl, CALLS_STREAM, ms);
}

/**
 * Resolves when the orchestrators have heard all that they were told, withdrawals among it, and every response has ended,
 * those too of which no client was told; and after `ms` in any case.
 */
export async function responsesEnded(
  { natsUrl, databaseUrl }: { natsUrl: string; databaseUrl: string },
  ms: number,
): Promise<void> {
  const deadline = performance.now() + ms;
  await untilDealtWith(natsUrl, CHAIN_STREAM, ms);
  await withDatabase(databaseUrl, async (client) => {
    const open = () => client.query('SELECT FROM responses WHERE ended_at IS NULL LIMIT 1');
    while (performance.now() < deadline && (await open()).rowCount !== 0) await sleep(EVERY_MS);
  });
  await untilDealtWith(natsUrl, CHAIN_STREAM, deadline - performance.now());
}

async function untilDealtWith(natsUrl: string, stream: string, ms: number): Promise<void> {
  const bus = await connectBus({ url: natsUrl, name: 'chaos' });
  try {
    const deadline = performance.now() + ms;
    while (performance.now() < deadline) {
      if ((await waiting(bus, stream)) === 0) return;
      await sleep(EVERY_MS);
    }
  } finally {
    await bus.close();
  }
}

/**
 * How many messages are still to be dealt with; none where JetStream has been emptied, and nobody has needed the stream since.
 * The stream alone does not tell: a server that was killed may keep a message although it knows that it was acknowledged.
 */
async function waiting({ jsm }: Bus, stream: string): Promise<number> {
  try {
    const { state } = await jsm.streams.info(stream);
    if (state.messages === 0 || state.consumer_count === 0) return state.messages;
    let count = 0;
    for await (const { num_pending, num_ack_pending } of jsm.consumers.list(stream)) {
      count += num_pending + num_ack_pending;
    }
    return count;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return 0;
    throw error;
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import { type Bus, CALLS_STREAM, connectBus } from '@tailrace/bus';

const EVERY_MS = 200;

/** Resolves when no note of a call waits any more to be compared with what is booked, and after `ms` in any case. */
export async function callsBooked(natsUrl: string, ms: number): Promise<void> {
  const bus = await connectBus({ url: natsUrl, name: 'chaos' });
  try {
    const deadline = performance.now() + ms;
    while (performance.now() < deadline) {
      if ((await waiting(bus)) === 0) return;
      await sleep(EVERY_MS);
    }
  } finally {
    await bus.close();
  }
}

/**
 * How many notes are still to be dealt with; none where JetStream has been emptied, and nobody has needed the stream since.
 * The stream alone does not tell: a server that was killed may keep a message although it knows that it was acknowledged.
 */
async function waiting({ jsm }: Bus): Promise<number> {
  try {
    const { state } = await jsm.streams.info(CALLS_STREAM);
    if (state.messages === 0 || state.consumer_count === 0) return state.messages;
    let count = 0;
    for await (const { num_pending, num_ack_pending } of jsm.consumers.list(CALLS_STREAM)) {
      count += num_pending + num_ack_pending;
    }
    return count;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return 0;
    throw error;
  }
}

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

/** How many notes there are; none where JetStream has been emptied, and nobody has needed the stream since. */
async function waiting({ jsm }: Bus): Promise<number> {
  try {
    return (await jsm.streams.info(CALLS_STREAM)).state.messages;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return 0;
    throw error;
  }
}

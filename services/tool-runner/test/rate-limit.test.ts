import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus } from '@tailrace/bus';
import { startNats } from '@tailrace/infra';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RateLimits } from '../src/rate-limit.ts';
import { never } from './steps.ts';

const WINDOW_MS = 1_500;

let dir: string;
let nats: Awaited<ReturnType<typeof startNats>>;
const buses: Bus[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  nats = await startNats({ dir, log: () => undefined });
});
afterAll(async () => {
  await Promise.all(buses.map((bus) => bus.close()));
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

/** The limits as one process has them. */
async function limits(): Promise<RateLimits> {
  const bus = await connectBus({ url: nats.url, name: 'test' });
  buses.push(bus);
  return new RateLimits(bus, WINDOW_MS);
}

test('in no window more than are allowed, in all processes together, and as many as are', async () => {
  const processes = await Promise.all([limits(), limits(), limits()]);
  await processes[0]?.take('tool', 5, never);
  // When a call began is for the server to say: it counts.
  const counted = await buses[0]?.js.consumers.get('TR_RATE_tool');
  const messages = await counted?.consume();
  const begun: number[] = [];
  const watching = (async () => {
    for await (const message of messages ?? []) if (begun.push(message.info.timestampNanos / 1e6) === 14) return;
  })();
  await Promise.all(Array.from({ length: 13 }, (_, n) => processes[n % 3]?.take('tool', 5, never)));
  await watching;
  begun.slice(5).forEach((at, index) => {
    expect(at - (begun[index] ?? 0)).toBeGreaterThanOrEqual(WINDOW_MS - 1);
  });
  // The first five did not wait for any to be forgotten.
  expect((begun[4] ?? 0) - (begun[0] ?? 0)).toBeLessThan(WINDOW_MS);
});

test('one source does not wait for another', async () => {
  const own = await limits();
  await own.take('busy', 1, never);
  await own.take('free', 1, never);
  const waiting = new AbortController();
  const second = own.take('busy', 1, waiting.signal);
  await own.take('free too', 1, never);
  waiting.abort(new Error('enough'));
  await expect(second).rejects.toMatchObject({ name: 'AbortError' });
});

test('a limit that is changed holds at once', async () => {
  const own = await limits();
  const startedAt = performance.now();
  await own.take('growing', 1, never);
  await own.take('growing', 3, never);
  await own.take('growing', 3, never);
  expect(performance.now() - startedAt).toBeLessThan(WINDOW_MS);
});

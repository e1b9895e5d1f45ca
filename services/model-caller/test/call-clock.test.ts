import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CallClock } from '../src/call-clock.ts';

const TIMEOUTS = { connectMs: 10, firstTokenMs: 1_000, idleMs: 100, totalMs: 10_000 };
const never = new AbortController().signal;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A body whose pieces come when it is told so, and what a clock watches of it. */
function watched(clock: CallClock) {
  const pieces = new TransformStream<Uint8Array, Uint8Array>();
  const writer = pieces.writable.getWriter();
  const reader = clock.watch(pieces.readable);
  return {
    send: () => writer.write(new Uint8Array(1)),
    end: () => writer.close(),
    next: () => reader.next(),
  };
}

test('what an upstream is waited for between two pieces is bounded, each time anew', async () => {
  const clock = new CallClock(TIMEOUTS, never);
  const { send, next } = watched(clock);
  clock.firstToken();
  for (let n = 0; n < 3; n += 1) {
    const piece = next();
    await vi.advanceTimersByTimeAsync(99);
    expect(clock.failure).toBeNull();
    await Promise.all([send(), piece]);
  }
  const late = next();
  await vi.advanceTimersByTimeAsync(100);
  expect(clock.failure).toMatchObject({ retryable: true });
  expect(clock.signal.reason).toBe(clock.failure);
  clock.close();
  await Promise.all([send(), late]);
});

test('time for which nobody waits does not count, however long it is', async () => {
  const clock = new CallClock(TIMEOUTS, never);
  const { send, next } = watched(clock);
  clock.firstToken();
  for (let n = 0; n < 3; n += 1) {
    await Promise.all([send(), next()]);
    await vi.advanceTimersByTimeAsync(250);
    expect(clock.failure).toBeNull();
  }
  const late = next();
  await vi.advanceTimersByTimeAsync(99);
  expect(clock.failure).toBeNull();
  await vi.advanceTimersByTimeAsync(1);
  expect(clock.failure).not.toBeNull();
  clock.close();
  await Promise.all([send(), late]);
});

test('before the first token only the time to it counts', async () => {
  const clock = new CallClock(TIMEOUTS, never);
  const { send, next } = watched(clock);
  const piece = next();
  await vi.advanceTimersByTimeAsync(999);
  expect(clock.failure).toBeNull();
  await vi.advanceTimersByTimeAsync(1);
  expect(clock.failure).toMatchObject({ retryable: true });
  clock.close();
  await Promise.all([send(), piece]);
});

test('all of it together is bounded as well; asking again would take as long', async () => {
  const clock = new CallClock({ ...TIMEOUTS, totalMs: 150 }, never);
  const { send, next } = watched(clock);
  clock.firstToken();
  await Promise.all([send(), next()]);
  await vi.advanceTimersByTimeAsync(150);
  expect(clock.failure).toMatchObject({ retryable: false });
  clock.close();
});

test('a stream of many pieces takes one timer for the time between them', async () => {
  const clock = new CallClock(TIMEOUTS, never);
  const { send, end, next } = watched(clock);
  clock.firstToken();
  // A spy on the fake one would be put back after the real one, and stay for whatever the process runs next.
  const fake = globalThis.setTimeout;
  let made = 0;
  globalThis.setTimeout = Object.assign((...timer: Parameters<typeof setTimeout>) => {
    made += 1;
    return fake(...timer);
  }, fake);
  for (let n = 0; n < 100; n += 1) await Promise.all([send(), next()]);
  globalThis.setTimeout = fake;
  expect(made).toBe(1);
  const [, last] = await Promise.all([end(), next()]);
  expect(last.done).toBe(true);
  clock.close();
});

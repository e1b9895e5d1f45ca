import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Bus,
  CALLS_STREAM,
  type CallNote,
  connectBus,
  decodeMessage,
  ensureStreams,
  type RelayWork,
} from '@tailrace/bus';
import { startNats } from '@tailrace/infra';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { announcer } from '../src/index.ts';

let dir: string;
let nats: Awaited<ReturnType<typeof startNats>>;
let bus: Bus;
const streams = { partitions: 1, logMaxAgeMs: 60_000, duplicateWindowMs: 60_000 };

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  nats = await startNats({ dir, log: () => undefined });
  bus = await connectBus({ url: nats.url, name: 'test', timeoutMs: 500 });
});
afterAll(async () => {
  await bus?.close();
  await nats?.stop();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  await ensureStreams(bus, streams);
  await bus.jsm.streams.purge(CALLS_STREAM);
});

async function notes(count: number): Promise<CallNote[]> {
  const { state } = await eventually(`there are ${count} notes`, async () => {
    const info = await bus.jsm.streams.info(CALLS_STREAM);
    return info.state.messages >= count && info;
  });
  const stored = await Promise.all(
    Array.from({ length: state.messages }, (_, index) =>
      bus.jsm.streams.getMessage(CALLS_STREAM, { seq: state.first_seq + index }),
    ),
  );
  return stored.map((message) => decodeMessage<CallNote>(message?.subject ?? '', message?.data ?? new Uint8Array()));
}

const relay = {
  kind: 'relay',
  responseId: '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b',
  stepId: '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b',
  owner: 'team',
  keyName: 'alice',
} as RelayWork;
const target = {
  kind: 'model',
  model: 'small',
  upstream: 'http://one',
  upstreamModel: 'small-1',
  endpoint: 'embeddings',
} as const;
const never = new AbortController().signal;
const fail = (error: unknown) => {
  throw error;
};

test('a note says which call of which attempt it is, to whom, and for whom', async () => {
  const announce = announcer(bus, relay, 3, never, fail);
  const marks = [await announce(target), await announce(target)];
  const { responseId } = relay;
  const by = { owner: 'team', keyName: 'alice' };
  const common = { responseId, stepId: null, attempt: 3, target, by };
  expect(await notes(2)).toEqual(marks.map((mark, index) => ({ ...mark, ...common, call: index + 1 })));
  expect(marks[0]?.id).not.toBe(marks[1]?.id);
});

test('a process that is killed as it makes its call has left its note', async () => {
  const killed = fork(new URL('killed-caller.ts', import.meta.url), [nats.url, '3'], { stdio: 'inherit' });
  const [, signal] = await once(killed, 'exit');
  expect(signal).toBe('SIGKILL');
  expect((await notes(3)).map(({ call }) => call)).toEqual([1, 2, 3]);
});

test('a note that JetStream does not take is sent until it does', async () => {
  await bus.jsm.streams.delete(CALLS_STREAM);
  const announce = announcer(bus, relay, 1, never, fail);
  const mark = await announce(target);
  await ensureStreams(bus, streams);
  expect(await notes(1)).toMatchObject([mark]);
});

test('to announce takes no answer of anybody', async () => {
  await bus.jsm.streams.delete(CALLS_STREAM);
  const over = new AbortController();
  const announce = announcer(bus, relay, 1, over.signal, fail);
  const before = performance.now();
  for (let call = 0; call < 100; call += 1) await announce(target);
  expect(performance.now() - before).toBeLessThan(500);
  over.abort();
});

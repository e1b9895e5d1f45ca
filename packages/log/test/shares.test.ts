import { progressEvent } from '@tailrace/chain';
import { newId, type UnnumberedEvent } from '@tailrace/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  append,
  CLOSING_ATTEMPT,
  EMPTY_LOG,
  encodeFrames,
  type LogMeta,
  LogShares,
  type LogTarget,
} from '../src/index.ts';
import { delta, type TestNats, testNats } from './nats.ts';

let nats: TestNats;
beforeAll(async () => {
  nats = await testNats();
});
afterAll(() => nats.stop());

const [A, B, C] = [newId(1), newId(2), newId(3)];

/** A log that messages are added to, each with some events or none. */
function logFor(target: LogTarget) {
  let [after, first] = [0, 0];
  return async (events: UnnumberedEvent[], fields: Partial<LogMeta> = {}) => {
    const meta = {
      first,
      last: first + events.length - 1,
      cursor: 1,
      writer: 'w',
      step: null,
      seal: null,
      ended: null,
    };
    const bytes = Buffer.from(encodeFrames(events, first));
    after = await append(target, after, { ...meta, ...fields }, bytes, new AbortController().signal);
    first += events.length;
    return { streamSeq: after, nextEvent: first, cursor: 1 };
  };
}

const texts = (shares: LogShares, step: string) =>
  shares.of(step).events.map((event) => ('delta' in event ? event.delta : event.type));

test('a step’s share is what its own messages say, among those of others, however it was told', async () => {
  const target = nats.target();
  const add = logFor(target);
  const place = { parentStepId: newId(4), name: 'researcher', depth: 1, shown: true };
  const inside = delta('b0');
  if (inside.type !== 'response.output_text.delta') throw new Error('not a delta');
  await add([delta('a0')], { step: { id: A, attempt: 1 } });
  await add([progressEvent(inside, B, place)], { step: { id: B, attempt: 1 } });
  await add([delta('tool')]);
  await add([], { step: { id: A, attempt: 2 } });
  const end = await add([delta('a1')], { step: { id: A, attempt: 2 }, seal: 'the end' });
  const last = await add([], { step: { id: B, attempt: CLOSING_ATTEMPT } });
  const shares = new LogShares(target, EMPTY_LOG, [A, B, C]);
  await shares.readOn();
  expect(texts(shares, A)).toEqual(['a0', 'a1']);
  expect(shares.of(A)).toMatchObject({
    latest: { step: { attempt: 2 } },
    seal: { said: 'the end', end },
    closed: true,
    mixed: true,
  });
  expect(texts(shares, B)).toEqual(['b0']);
  expect(shares.of(B)).toMatchObject({ latest: { step: { attempt: CLOSING_ATTEMPT } }, seal: null, closed: true });
  expect(shares.of(C)).toMatchObject({ events: [], latest: null, seal: null, closed: false });
  expect(shares.end).toEqual(last);
  expect(() => shares.of('another')).toThrow();
});

test('it is read on as the log grows', async () => {
  const target = nats.target();
  const add = logFor(target);
  const begun = await add([delta('before')]);
  const shares = new LogShares(target, begun, [A]);
  await shares.readOn();
  expect(shares.end).toEqual(begun);
  await add([delta('a0')], { step: { id: A, attempt: 1 } });
  await shares.readOn();
  await add([delta('a1')], { step: { id: A, attempt: 1 }, seal: '{}' });
  const end = await add([delta('after')], { ended: 'completed' });
  await shares.readOn();
  expect(texts(shares, A)).toEqual(['a0', 'a1']);
  expect(shares.of(A).mixed).toBe(false);
  expect(shares.last?.ended).toBe('completed');
  expect(shares.end).toEqual(end);
});

test('where a log begins anew, nothing that stood before counts', async () => {
  const target = nats.target();
  const add = logFor(target);
  const place = await add([delta('before')]);
  await add([delta('a0')], { step: { id: A, attempt: 1 }, seal: 'the end' });
  await add([delta('b0')], { step: { id: B, attempt: 1 } });
  await add([delta('anew')], { first: 1_000, last: 1_000 });
  const end = await add([delta('b1')], { first: 1_001, last: 1_001, step: { id: B, attempt: 101 } });
  for (const from of [EMPTY_LOG, place]) {
    const shares = new LogShares(target, from, [A, B]);
    await shares.readOn();
    expect(shares.of(A)).toMatchObject({ events: [], latest: null, seal: null, closed: false });
    expect(texts(shares, B)).toEqual(['b1']);
    expect(shares.of(B)).toMatchObject({ mixed: true, latest: { step: { attempt: 101 } } });
    expect(shares.end.streamSeq).toBe(end.streamSeq);
  }
});

import { append, EMPTY_LOG, encodeFrames, Fenced, type LogMeta, type LogTarget } from '@tailrace/log';
import { newId, type UnnumberedEvent } from '@tailrace/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNats, testNats } from '../../../packages/log/test/nats.ts';
import { OutputBuilder } from '../src/output-builder.ts';
import { readPredecessor } from '../src/predecessor.ts';

let nats: TestNats;
beforeAll(async () => {
  nats = await testNats();
});
afterAll(() => nats.stop());

const step = newId(0);
const events: UnnumberedEvent[] = new OutputBuilder(step, 0, []).apply({ type: 'text', text: 'hello' }).flat();

/** A log of these messages, each with some events or none. */
async function logOf(...messages: (Partial<LogMeta> & { events: UnnumberedEvent[] })[]): Promise<LogTarget> {
  const target = nats.target();
  let [after, first] = [0, 0];
  for (const { events: own, ...fields } of messages) {
    const meta = { first, last: first + own.length - 1, cursor: 1, writer: 'w', step: null, seal: null, ended: null };
    const bytes = Buffer.from(encodeFrames(own, first));
    after = await append(target, after, { ...meta, ...fields }, bytes, new AbortController().signal);
    first += own.length;
  }
  return target;
}

const read = (target: LogTarget) => readPredecessor(target, EMPTY_LOG, step, { firstIndex: 0, shared: false });

test('what a dead attempt has left is what clients have seen, and where the log ends', async () => {
  const target = await logOf({ step: { id: step, attempt: 2 }, events });
  expect(await read(target)).toMatchObject({
    latest: { step: { attempt: 2 } },
    events: events.length,
    seal: null,
    end: { nextEvent: events.length },
    published: [{ type: 'message', status: 'in_progress', content: [{ text: 'hello' }] }],
  });
});

test('a sealed step is done, whatever came after it: an old delivery tells its result again', async () => {
  const target = await logOf(
    { step: { id: step, attempt: 1 }, seal: '{}', events },
    { step: null, ended: 'completed', events: [] },
  );
  expect(await read(target)).toMatchObject({ seal: '{}', end: { nextEvent: events.length } });
});

test('a log that has gone on without the step fences an old delivery off', async () => {
  const target = await logOf({ step: { id: step, attempt: 1 }, events }, { step: null, events: [] });
  await expect(read(target)).rejects.toThrow(Fenced);
});

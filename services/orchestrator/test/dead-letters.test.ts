/** A step is given up, and something comes between. */
import { WORK_STREAM } from '@tailrace/bus';
import { append, CLOSING_ATTEMPT } from '@tailrace/log';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { handleAdvisory } from '../src/chain-messages.ts';
import { closeStepLogs } from '../src/close-step-log.ts';
import { handleDeadLetter } from '../src/commands.ts';
import { bringLogUpToDate } from '../src/projector.ts';
import { countAttempt } from '../src/record-result.ts';
import { ChainBench } from './chain-bench.ts';

let bench: ChainBench;
beforeAll(async () => {
  bench = await ChainBench.start();
});
afterAll(() => bench?.stop());

async function openStep() {
  const { record, chain } = await bench.begin();
  const [step] = chain;
  if (step?.kind !== 'model_call') throw new Error('a response begins with its model');
  return { id: record.id, step };
}

const lettersOf = (id: string) =>
  bench.stored.rows(`SELECT kind, attempts FROM dead_letters WHERE response_id = '${id}'`);

test('a crash before its end is told: the next delivery of the advisory tells it', async () => {
  const { id, step } = await openStep();
  const advisory = await bench.dead(id, step);
  const killed = bench.publishing((subject, data, headers) => {
    if (headers?.has('Tr-Ended')) throw new TypeError('killed here');
    return bench.bus.publisher.publish(subject, data, headers);
  });
  await expect(handleDeadLetter(bench.context({ bus: killed }), advisory, bench.signal)).rejects.toThrow('killed here');
  expect(await bench.loggedEnd(id)).toBeNull();
  await handleDeadLetter(bench.context(), { ...advisory, redelivered: true }, bench.signal);
  expect((await bench.load(id)).record.status).toBe('failed');
  expect(await bench.loggedEnd(id)).toBe('failed');
  expect(await lettersOf(id)).toHaveLength(1);
});

test('a sweep takes the step up while its log is being closed: it is given up all the same', async () => {
  const { id, step } = await openStep();
  const racing = bench.publishing(async (subject, data, headers) => {
    const stored = await bench.bus.publisher.publish(subject, data, headers);
    if (headers?.get('Tr-Attempt') === String(CLOSING_ATTEMPT)) await countAttempt(bench.database, id, 0);
    return stored;
  });
  await handleDeadLetter(bench.context({ bus: racing }), await bench.dead(id, step), bench.signal);
  const { record, chain } = await bench.load(id);
  expect(record).toMatchObject({ status: 'failed', error: { code: 'attempts_exhausted' } });
  expect(chain[0]).toMatchObject({ attempt: 101, outcome: { state: 'failed' } });
  expect(await lettersOf(id)).toMatchObject([{ kind: 'model_call', attempts: 10 }]);
});

test('a crash when its log was closed, and a sweep then: the step is nobody’s, and given up', async () => {
  const { id, step } = await openStep();
  const advisory = await bench.dead(id, step);
  await closeStepLogs(bench.context(), await bench.load(id), [step], bench.signal);
  await countAttempt(bench.database, id, 0);
  await handleDeadLetter(bench.context(), { ...advisory, redelivered: true }, bench.signal);
  expect((await bench.load(id)).record.error?.code).toBe('attempts_exhausted');
});

test('a step that a later message carries on is left to it', async () => {
  const { id, step } = await openStep();
  const advisory = await bench.dead(id, step);
  await countAttempt(bench.database, id, 0);
  await handleDeadLetter(bench.context(), advisory, bench.signal);
  expect((await bench.load(id)).record.status).toBe('in_progress');
  expect(await lettersOf(id)).toEqual([]);
});

test('a step that a later message has brought to its end is left to it, too', async () => {
  const { id, step } = await openStep();
  const advisory = await bench.dead(id, step);
  await countAttempt(bench.database, id, 0);
  const target = { bus: bench.bus, partition: 0, id };
  const { streamSeq } = await bringLogUpToDate(bench.context(), await bench.load(id), undefined, bench.signal);
  const meta = {
    first: 2,
    last: 1,
    cursor: 1,
    writer: 'w',
    step: { id: step.id, attempt: 101 },
    seal: '{}',
    ended: null,
  };
  await append(target, streamSeq, meta, new Uint8Array(0), bench.signal);
  await handleDeadLetter(bench.context(), advisory, bench.signal);
  expect((await bench.load(id)).record.status).toBe('in_progress');
});

test('a step whose work cannot be read any more is left to the sweep, and its message goes', async () => {
  const { id } = await openStep();
  const { seq } = await bench.bus.js.publish('tr.work.model.default.demo', Buffer.from('{'));
  const advisory = { stream: WORK_STREAM, stream_seq: seq, deliveries: 10 };
  const data = Buffer.from(JSON.stringify(advisory));
  const deliver = (deliveryCount: number) =>
    handleAdvisory(
      bench.context(),
      { subject: 'x', data, headers: undefined, redelivered: true, deliveryCount },
      bench.signal,
    );
  await expect(deliver(9)).rejects.toThrow();
  await deliver(10);
  expect(await bench.bus.jsm.streams.getMessage(WORK_STREAM, { seq })).toBeNull();
  expect((await bench.load(id)).record.status).toBe('in_progress');
});

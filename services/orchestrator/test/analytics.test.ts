import { newId } from '@tailrace/protocol';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { bookCalls, bookRelay } from '../src/analytics.ts';
import { bookUnreported } from '../src/book-unreported.ts';
import { forgetCalls } from '../src/forget-calls.ts';
import { CallBench, modelReport, noteOf, toolReport, upstreamCall } from './call-bench.ts';

let bench: CallBench;
beforeAll(async () => {
  bench = await CallBench.start(inject('postgresUrl'));
});
afterAll(() => bench?.close());

const book = (report: Parameters<typeof bookCalls>[1]) => bookCalls(bench.database, report, Date.now());
const gather = (notes: Parameters<typeof bookUnreported>[1], lostBefore = 0) =>
  bookUnreported(bench.database, notes, lostBefore);

describe('a report', () => {
  test('books each of its calls, with whose they are', async () => {
    const response = await bench.response('team', 'alice');
    const failed = upstreamCall({ status: 503, errorCode: 'upstream_error', inputTokens: null, cost: null });
    const report = modelReport(response, [failed, upstreamCall()], 3);
    await book(report);
    await book(toolReport(response, [{ tool: 'pay', status: 200, durationMs: 7, errorCode: null }]));
    const rows = await bench.models(response.id);
    expect(rows).toMatchObject([
      { call: 1, status: 503, error_code: 'upstream_error', input_tokens: null, cost: null },
      { call: 2, status: 200, error_code: null, input_tokens: 20, cached_tokens: 4, reasoning_tokens: 2 },
    ]);
    expect(rows.map(({ id }) => id)).toEqual(report.calls.map(({ mark }) => mark?.id));
    const whose = { owner: 'team', key_name: 'alice', response_step_id: response.modelStep, attempt: 3 };
    expect(rows[1]).toMatchObject({ ...whose, endpoint: 'responses', upstream_model: 'demo-1', first_token_ms: 9 });
    expect(await bench.tools(response.id)).toMatchObject([{ owner: 'team', key_name: 'alice', tool: 'pay', call: 1 }]);
  });

  test('that comes twice books nothing twice, whether or not its calls were announced', async () => {
    const response = await bench.response();
    const { mark: _, ...unannounced } = upstreamCall();
    const report = modelReport(response, [upstreamCall(), unannounced, unannounced]);
    await book(report);
    await book(report);
    expect(await bench.models(response.id)).toHaveLength(3);
  });

  test('of an attempt with the number of another one takes no place of the other’s', async () => {
    const response = await bench.response();
    await book(modelReport(response, [upstreamCall()], 2));
    await book(modelReport(response, [upstreamCall()], 2));
    expect(await bench.models(response.id)).toHaveLength(2);
  });

  test('of a response that has been deleted is booked, for nobody', async () => {
    await book(modelReport({ id: newId(1), modelStep: newId(1), toolStep: '' }, [upstreamCall()]));
    expect(await bench.models(newId(1))).toEqual([]);
    const gone = { id: newId(Date.now()), modelStep: newId(Date.now()), toolStep: '' };
    await book(modelReport(gone, [upstreamCall()]));
    expect(await bench.models(gone.id)).toMatchObject([{ owner: null, key_name: null, status: 200 }]);
  });

  test('keeps costs exactly, so that their sum is exact', async () => {
    const response = await bench.response();
    await book(
      modelReport(
        response,
        Array.from({ length: 10 }, () => upstreamCall({ cost: 0.1 + 0.2 })),
      ),
    );
    await book(modelReport(response, [upstreamCall({ cost: 1.5e-11 })], 2));
    const rows = await bench.models(response.id);
    expect(rows.map(({ cost }) => cost)).toEqual([...Array(10).fill('0.300000000000'), '0.000000000015']);
  });

  test('of a call that was passed on has its own owner and endpoint, and no step', async () => {
    const id = newId(Date.now());
    await bookRelay(
      bench.database,
      {
        kind: 'relay',
        responseId: id,
        stepId: id,
        attempt: 1,
        startedAt: 0,
        endedAt: 0,
        correlationId: '',
        endpoint: 'embeddings',
        owner: 'team',
        keyName: 'bob',
        groups: [],
        leased: false,
        tokens: 20,
        calls: [upstreamCall()],
      },
      Date.now(),
    );
    const whose = { owner: 'team', key_name: 'bob', endpoint: 'embeddings', response_step_id: null };
    expect(await bench.models(id)).toMatchObject([whose]);
  });
});

describe('a note', () => {
  test('of a call that nobody reported is booked as interrupted, once its step has ended', async () => {
    const response = await bench.response('team', 'alice');
    const notes = [noteOf(response, 'model'), noteOf(response, 'tool')];
    expect(await gather(notes)).toEqual(new Set(notes.map(({ id }) => id)));
    expect(await bench.models(response.id)).toEqual([]);

    await bench.end(response, response.modelStep);
    expect(await gather(notes)).toEqual(new Set([notes[1]?.id]));
    await bench.end(response, response.toolStep);
    for (let times = 0; times < 2; times += 1) expect(await gather(notes)).toEqual(new Set());
    const unknown = { status: null, duration_ms: null, error_code: 'interrupted', owner: 'team', key_name: 'alice' };
    expect(await bench.models(response.id)).toMatchObject([
      { ...unknown, id: notes[0]?.id, model: 'demo', upstream_model: 'demo-1', input_tokens: null, cost: null },
    ]);
    expect(await bench.tools(response.id)).toMatchObject([{ ...unknown, id: notes[1]?.id, tool: 'pay' }]);
  });

  test('of a call that was reported changes nothing', async () => {
    const response = await bench.response();
    const note = noteOf(response, 'model');
    await book(modelReport(response, [upstreamCall({ mark: note })]));
    await bench.end(response, response.modelStep);
    await gather([note, note]);
    expect(await bench.models(response.id)).toMatchObject([{ id: note.id, status: 200, error_code: null }]);
  });

  test('gives way to the report of a worker that was only slow; the report to no other one', async () => {
    const response = await bench.response();
    const [model, tool] = [noteOf(response, 'model'), noteOf(response, 'tool')];
    await bench.end(response, response.modelStep);
    await bench.end(response, response.toolStep);
    await gather([model, tool]);
    await book(modelReport(response, [upstreamCall({ mark: model, errorCode: 'response_cancelled' })]));
    await book(modelReport(response, [upstreamCall({ mark: model, status: 500 })]));
    const late = { mark: tool, tool: 'pay', status: 200, durationMs: 7, errorCode: null };
    await book(toolReport(response, [late]));
    expect(await bench.models(response.id)).toMatchObject([
      { status: 200, error_code: 'response_cancelled', output_tokens: 11, cost: '0.000042000000' },
    ]);
    expect(await bench.tools(response.id)).toMatchObject([{ status: 200, duration_ms: 7, error_code: null }]);
  });

  test('of a response that has been deleted is booked', async () => {
    const gone = { id: newId(Date.now()), modelStep: newId(Date.now()), toolStep: newId(Date.now()) };
    expect(await gather([noteOf(gone, 'model')])).toEqual(new Set());
    expect(await bench.models(gone.id)).toMatchObject([{ error_code: 'interrupted', owner: null }]);
  });

  test('of a call that was passed on waits for its report, and not for ever', async () => {
    const call = { id: newId(Date.now()), modelStep: '', toolStep: '' };
    const note = noteOf(call, 'model', { stepId: null, by: { owner: 'team', keyName: 'bob' } });
    expect(await gather([note], note.startedAt - 1)).toEqual(new Set([note.id]));
    expect(await gather([note], note.startedAt)).toEqual(new Set());
    const booked = { error_code: 'interrupted', owner: 'team', key_name: 'bob', response_step_id: null };
    expect(await bench.models(call.id)).toMatchObject([booked]);
  });
});

test('rows that are old are forgotten, others are not', async () => {
  const response = await bench.response();
  const at = (startedAt: number) => upstreamCall({ mark: { id: newId(startedAt), startedAt } });
  const kept = Date.now();
  const calls = [...Array.from({ length: 1_200 }, (_, n) => at(1_000 + n)), at(kept)];
  await book(modelReport(response, calls));
  const mark = { id: newId(1), startedAt: 1 };
  await book(toolReport(response, [{ mark, tool: 'pay', status: 200, durationMs: 7, errorCode: null }]));
  await forgetCalls(bench.database, 60_000, new AbortController().signal);
  expect(await bench.models(response.id)).toMatchObject([{ started_at: new Date(kept) }]);
  expect(await bench.tools(response.id)).toEqual([]);
});

import { errorInfo, publicResponseId, type StepId } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import {
  assemble,
  begin,
  cancel,
  type ModelResult,
  project,
  recordOutcome,
  type Step,
  type StepOutcome,
} from '../src/index.ts';
import {
  call,
  callId,
  canceledModel,
  chainOf,
  model,
  modelIn,
  recordOf,
  requestWith,
  stepId,
  TOOL_ERROR,
  text,
  tool,
  usage,
} from './chains.ts';

const request = requestWith({}, { server: ['search'] });
const NOW = 1_700_000_009_999;
const context = (now = NOW) => {
  let ids = 100;
  return { now, newId: () => stepId(ids++), overdue: new Set<string>(), checkArguments: () => null };
};
const NOTHING: { partial: ReadonlyMap<StepId, ModelResult>; nextEvent: number } = { partial: new Map(), nextEvent: 0 };

/** What a model call had published when it was canceled. */
function published(...items: Parameters<typeof canceledModel>[0]): ModelResult {
  const [step] = chainOf([canceledModel(items, { output: 3 })]);
  if (step?.kind !== 'model_call' || step.outcome.state !== 'canceled' || !step.outcome.result) {
    throw new Error('the chain is one canceled model call');
  }
  return step.outcome.result;
}

/** The response cancelled, when that changes anything. */
function cancelled(chain: Step[], given = NOTHING, record = recordOf(request, { entries: chain.length })) {
  const transition = cancel(record, chain, given, NOW);
  if (!transition) throw new Error('a response that runs can be cancelled');
  return transition;
}

describe('cancel', () => {
  type Row = [what: string, steps: Parameters<typeof chainOf>[0], states: string[], changed: number[]];
  const ROWS: Row[] = [
    ['before the model has been called', [modelIn('pending')], ['canceled'], [1]],
    ['while the model answers', [modelIn('processing')], ['canceled'], [1]],
    [
      'while tools run',
      [
        model([call('search'), call('search')]),
        tool('search', callId(1, 0), 'pending'),
        tool('search', callId(1, 1), 'processing'),
      ],
      ['completed', 'canceled', 'canceled'],
      [2, 3],
    ],
    [
      'while one tool runs',
      [
        model([call('search'), call('search'), call('search')]),
        tool('search', callId(1, 0), TOOL_ERROR),
        tool('search', callId(1, 1), 'processing'),
        tool('search', callId(1, 2), { output: 'x' }),
      ],
      ['completed', 'failed', 'canceled', 'completed'],
      [3],
    ],
    [
      'while the model is called again',
      [model([call('search')]), tool('search', callId(1, 0), { output: 'x' }), modelIn('processing')],
      ['completed', 'completed', 'canceled'],
      [3],
    ],
  ];

  test.each(ROWS)('%s', (_what, steps, states, changed) => {
    const before = chainOf(steps);
    const { record, chain, ...entry } = cancelled(before);
    expect(chain.map((step) => step.outcome.state)).toEqual(states);
    expect(entry.changed.map((step) => step.sequence)).toEqual(changed);
    expect(entry.added).toEqual([]);
    expect(record).toMatchObject({ status: 'cancelled', entries: before.length + 1, endedAt: NOW, error: null });
    for (const step of chain) {
      const same = before[step.sequence - 1];
      if (!changed.includes(step.sequence)) expect(step).toBe(same);
      else {
        const { attempt, startedAt, request: asked } = step;
        expect({ attempt, startedAt, request: asked }).toEqual({
          attempt: same?.attempt,
          startedAt: same?.startedAt,
          request: same?.request,
        });
        expect(step).toMatchObject({ endedEntry: before.length + 1, endedAt: NOW });
      }
    }
  });

  test.each(['completed', 'incomplete', 'failed', 'cancelled'] as const)('changes nothing once it is %s', (status) => {
    const record = recordOf(request, { status, endedAt: 1 });
    expect(cancel(record, chainOf([model([text('a')])]), NOTHING, NOW)).toBeNull();
  });

  test('ends a response that is still queued', () => {
    const record = recordOf(requestWith({ background: true }), { status: 'queued' });
    expect(cancel(record, chainOf([modelIn('pending')]), NOTHING, NOW)?.record.status).toBe('cancelled');
  });

  test('keeps what was published, and tells its tokens', () => {
    const result = published(text('whole'), text('ha', 'incomplete'));
    const { record, chain } = cancelled(chainOf([modelIn('processing')]), {
      partial: new Map([[stepId(1), result]]),
      nextEvent: 12,
    });
    expect(chain[0]?.outcome).toEqual({ state: 'canceled', result });
    const response = assemble(record, chain);
    expect(response.output.map((item) => 'status' in item && item.status)).toEqual(['completed', 'incomplete']);
    expect(response).toMatchObject({
      status: 'cancelled',
      completed_at: null,
      usage: usage(3),
      incomplete_details: null,
    });
    expect(record.nextEvent).toBe(13);
  });

  test('takes no partial result of a step that has ended, or of a tool', () => {
    const before = chainOf([model([call('search')]), tool('search', callId(1, 0), 'processing')]);
    const partial = new Map([stepId(1), stepId(2)].map((id) => [id, published(text('late'))]));
    const { chain } = cancelled(before, { partial, nextEvent: 4 });
    expect(chain[0]).toBe(before[0]);
    expect(chain[1]?.outcome).toEqual({ state: 'canceled', result: null });
  });

  test('its events are the ends of the tools that ran, and that of the response', () => {
    const before = chainOf([
      model([call('search'), call('search'), call('search')]),
      tool('search', callId(1, 0), 'processing'),
      tool('search', callId(1, 1), { output: 'x' }),
      tool('search', callId(1, 2), 'pending'),
    ]);
    const { record, chain } = cancelled(
      before,
      { ...NOTHING, nextEvent: 9 },
      recordOf(request, { entries: 4, nextEvent: 20 }),
    );
    const response = assemble(record, chain);
    expect(project(record, chain, 4)).toEqual([
      { type: 'response.output_item.done', output_index: 3, item: response.output[3] },
      { type: 'response.output_item.done', output_index: 5, item: response.output[5] },
      { type: 'response.incomplete', response },
    ]);
    expect(response.output.map((item) => 'status' in item && item.status)).toEqual([
      'completed',
      'completed',
      'completed',
      'incomplete',
      'completed',
      'incomplete',
    ]);
    expect(record.nextEvent).toBe(23);
  });

  const late: StepOutcome[] = [
    { kind: 'model_call', result: published(text('late')), error: null, nextEvent: 99, events: 0 },
    { kind: 'model_call', result: null, error: errorInfo('response_cancelled'), nextEvent: 99, events: 0 },
    { kind: 'tool_call', outcome: { result: { output: 'late' } } },
    { kind: 'tool_call', outcome: { error: TOOL_ERROR } },
  ];
  test.each(late)('a report that comes later changes nothing: %j', (report) => {
    const steps =
      report.kind === 'model_call'
        ? [modelIn('processing')]
        : [model([call('search')]), tool('search', callId(1, 0), 'processing')];
    const { record, chain } = cancelled(chainOf(steps));
    const stepIdOf = chain.at(-1)?.id ?? '';
    expect(
      recordOutcome(record, chain, { ...report, stepId: stepIdOf, attempt: 1, startedAt: 0 }, context()),
    ).toBeNull();
    expect(cancel(record, chain, NOTHING, NOW + 1)).toBeNull();
  });

  test('leaves what it was given as it was', () => {
    const before = chainOf([model([call('search')]), tool('search', callId(1, 0), 'processing')]);
    const copy = structuredClone(before);
    cancelled(before);
    expect(before).toEqual(copy);
  });
});

describe('an entry tells what it changed and what it added', () => {
  const { entries: _entries, nextEvent: _next, ...fresh } = recordOf(request);
  const first = begin(fresh, context());
  const [opening] = first.added;
  if (!opening) throw new Error('a response begins with a model call');

  test('the creation', () => {
    expect(first).toMatchObject({ changed: [], added: [{ kind: 'model_call', outcome: { state: 'pending' } }] });
    expect(first.record).toMatchObject({ id: fresh.id, entries: 1, nextEvent: 2, status: 'in_progress' });
    expect(project(first.record, first.chain, 0).map((event) => event.type)).toEqual([
      'response.created',
      'response.in_progress',
    ]);
    expect(assemble(first.record, first.chain).id).toBe(publicResponseId(fresh.id));
  });

  const ended = { kind: 'model_call', stepId: opening.id, attempt: 2, startedAt: 5, nextEvent: 40, events: 0 } as const;

  test('a result', () => {
    const result = published(call('search'), call('search'));
    const next = recordOutcome(first.record, first.chain, { ...ended, result, error: null }, context());
    expect(next?.changed).toMatchObject([{ id: opening.id, attempt: 2, outcome: { state: 'completed', result } }]);
    expect(next?.added.map((step) => step.kind)).toEqual(['tool_call', 'tool_call']);
    expect(next?.record).toMatchObject({ entries: 2, nextEvent: 42 });
  });

  test('a failure, whose reason comes before the end', () => {
    const error = errorInfo('upstream_timeout', { ms: 1 });
    const next = recordOutcome(first.record, first.chain, { ...ended, result: null, error }, context());
    if (!next) throw new Error('the step was running');
    expect(next.changed).toMatchObject([{ outcome: { state: 'failed', error, result: null } }]);
    expect(next.record).toMatchObject({ status: 'failed', error, nextEvent: 42 });
    expect(project(next.record, next.chain, 1)).toEqual([
      { type: 'error', error: { type: 'model_error', ...error, param: null } },
      { type: 'response.failed', response: assemble(next.record, next.chain) },
    ]);
  });

  test('nothing, of a step that nobody knows', () => {
    const report = { ...ended, stepId: stepId(999), result: null, error: TOOL_ERROR };
    expect(recordOutcome(first.record, first.chain, report, context())).toBeNull();
  });
});

describe('an attempt that was taken over', () => {
  type Row = [kind: 'model' | 'tool', known: number, reported: number, recorded: boolean];
  const ROWS: Row[] = [
    ['model', 1, 1, true],
    ['model', 2, 1, true],
    ['model', 1, 2, true],
    ['model', 101, 2, false],
    ['model', 101, 101, true],
    ['tool', 1, 1, true],
    ['tool', 1, 2, true],
    ['tool', 2, 1, false],
    ['tool', 101, 3, true],
    ['tool', 102, 101, false],
  ];
  test.each(ROWS)('%s: the step is at %i, %i reports: recorded is %s', (kind, known, reported, recorded) => {
    const steps =
      kind === 'model'
        ? [modelIn('processing')]
        : [model([call('search')]), tool('search', callId(1, 0), 'processing')];
    const chain = chainOf(steps).map((step) => (step.endedEntry === null ? { ...step, attempt: known } : step));
    const open = chain.at(-1)?.id ?? '';
    const report: StepOutcome =
      kind === 'model'
        ? { kind: 'model_call', result: published(text('Hello')), error: null, nextEvent: 9, events: 0 }
        : { kind: 'tool_call', outcome: { result: { output: 'found' } } };
    const record = recordOf(request, { entries: chain.length });
    const next = recordOutcome(record, chain, { ...report, stepId: open, attempt: reported, startedAt: 0 }, context());
    expect(next !== null).toBe(recorded);
  });

  test('is recorded all the same when the log was closed to every attempt; the later number stays', () => {
    const chain = chainOf([modelIn('processing')]).map((step) => ({ ...step, attempt: 101 }));
    const report = { kind: 'model_call', result: null, error: TOOL_ERROR, nextEvent: 9, events: 0 } as const;
    const address = { stepId: chain[0]?.id ?? '', attempt: 10, startedAt: 0, final: true };
    const next = recordOutcome(recordOf(request, { entries: 1 }), chain, { ...report, ...address }, context());
    expect(next?.changed).toMatchObject([{ attempt: 101, outcome: { state: 'failed' } }]);
  });
});

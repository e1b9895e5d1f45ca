import { errorInfo } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import {
  type AcceptedRequest,
  type Action,
  liveCalls,
  nextAction,
  outputTokensLeft,
  type Scope,
  type Step,
} from '../src/index.ts';
import {
  call,
  callId,
  chainOf,
  failedModel,
  model,
  modelIn,
  reasoning,
  refusal,
  requestWith,
  superseded,
  TOOL_ERROR,
  text,
  tool,
  UPSTREAM_ERROR,
} from './chains.ts';

const next = (asked: AcceptedRequest, chain: readonly Step[], scope: Scope) =>
  nextAction(asked, chain, scope, () => null);

const request = requestWith({}, { server: ['search', 'weather'], client: ['mine'] });

const CALL_MODEL: Action = { type: 'append', steps: [{ kind: 'model_call', request: { model: 'm' } }] };

const run = (...calls: [name: string, position: number][]): Action => ({
  type: 'append',
  steps: calls.map(([name, position]) => ({
    kind: 'tool_call',
    request: { tool: name, call_id: callId(1, position), arguments: '{"q":1}' },
    outcome: { state: 'pending' },
  })),
});

const ok = { output: 'ok' };
const search = (outcome: Parameters<typeof tool>[2], position = 0) => tool('search', callId(1, position), outcome);

describe('nextAction', () => {
  type Row = [what: string, steps: Parameters<typeof chainOf>[0], action: Action];
  const RULES: Record<string, Row[]> = {
    '1. an empty scope begins with one model call': [['nothing yet', [], CALL_MODEL]],
    '2. a model call without calls of tools ends the scope': [
      ['text', [model([text('hi')])], { type: 'complete' }],
      ['a refusal', [model([refusal('no')])], { type: 'complete' }],
      ['thoughts alone', [model([reasoning('hm')])], { type: 'complete' }],
      ['nothing at all', [model([])], { type: 'complete' }],
      [
        'cut at the limit',
        [model([text('h', 'incomplete')], { finish: 'length' })],
        { type: 'incomplete', reason: 'max_output_tokens' },
      ],
      [
        'cut by the filter',
        [model([], { finish: 'content_filter' })],
        { type: 'incomplete', reason: 'content_filter' },
      ],
      [
        'cut at the limit, after a call',
        [model([call('search'), text('h')], { finish: 'length' })],
        { type: 'incomplete', reason: 'max_output_tokens' },
      ],
    ],
    '3. the calls that the server can run are run at once': [
      ['one', [model([call('search')])], run(['search', 0])],
      [
        'several, with text between',
        [model([call('weather'), text('and'), call('search')])],
        run(['weather', 0], ['search', 2]),
      ],
      ['the same tool twice', [model([call('search'), call('search')])], run(['search', 0], ['search', 1])],
      ['beside a call of the client', [model([call('mine'), call('search')])], run(['search', 1])],
      ['but not superseded ones', [model([superseded(call('weather')), call('search')])], run(['search', 1])],
      ['nor broken ones', [model([call('search', undefined, 'incomplete'), call('weather')])], run(['weather', 1])],
      ['superseded calls alone are none', [model([superseded(call('search'))])], { type: 'complete' }],
      ['a call of the client ends the turn', [model([call('mine')])], { type: 'complete' }],
      [
        'a call of what nobody offers is answered with an error',
        [model([call('nobody')])],
        {
          type: 'append',
          steps: [
            {
              kind: 'tool_call',
              request: { tool: 'nobody', call_id: expect.any(String), arguments: expect.any(String) },
              outcome: {
                state: 'failed',
                error: { code: 'tool_not_found', message: "There is no tool named 'nobody'." },
                result: null,
              },
            },
          ],
        },
      ],
      [
        'a mixed turn ends when the server’s calls have',
        [model([call('search'), call('mine')]), search(ok)],
        { type: 'complete' },
      ],
    ],
    '4. when every sibling is terminal, the model is called again': [
      ['all are', [model([call('search')]), search(ok)], CALL_MODEL],
      ['one runs', [model([call('search'), call('search')]), search(ok), search('processing', 1)], { type: 'wait' }],
      [
        'one has not begun',
        [model([call('search'), call('search')]), search('pending'), search(ok, 1)],
        { type: 'wait' },
      ],
      ['the model has not answered', [modelIn('pending')], { type: 'wait' }],
      ['the model answers', [modelIn('processing')], { type: 'wait' }],
    ],
    '5. a failed tool is the model’s to read, a failed model call fails': [
      ['a tool', [model([call('search')]), search(TOOL_ERROR)], CALL_MODEL],
      ['a model', [failedModel(null)], { type: 'fail', error: UPSTREAM_ERROR }],
      ['a model with items', [failedModel([call('search')])], { type: 'fail', error: UPSTREAM_ERROR }],
      [
        'a model after tools',
        [model([call('search')]), search(ok), failedModel(null)],
        { type: 'fail', error: UPSTREAM_ERROR },
      ],
    ],
    'a canceled step ends the scope': [
      ['a model', [modelIn('canceled')], { type: 'incomplete', reason: 'cancelled' }],
      ['a tool', [model([call('search')]), search('canceled')], { type: 'incomplete', reason: 'cancelled' }],
      [
        'a tool, while its sibling runs',
        [model([call('search'), call('search')]), search('canceled'), search('processing', 1)],
        { type: 'wait' },
      ],
    ],
  };

  describe.each(Object.entries(RULES))('%s', (_rule, rows) => {
    test.each(rows)('%s', (_what, steps, action) => {
      expect(next(request, chainOf(steps), null)).toEqual(action);
    });
  });

  describe('7. caps are counted from the chain', () => {
    const twice = [model([call('search')], { output: 10 }), search(ok), model([call('search')], { output: 10 })];
    const settled = [...twice, tool('search', callId(3, 0), ok)];

    test.each([
      [3, CALL_MODEL],
      [2, { type: 'fail', error: errorInfo('max_iterations_exceeded', { limit: 2 }) }],
    ])('max_iterations %i', (maxIterations, action) => {
      expect(next(requestWith({}, { server: ['search'], maxIterations }), chainOf(settled), null)).toEqual(action);
    });

    test.each([
      [21, CALL_MODEL],
      [20, { type: 'incomplete', reason: 'max_output_tokens' }],
      [16, { type: 'incomplete', reason: 'max_output_tokens' }],
    ])('max_output_tokens %i', (max_output_tokens, action) => {
      expect(next(requestWith({ max_output_tokens }, { server: ['search'] }), chainOf(settled), null)).toEqual(action);
    });

    const three = [call('search'), call('search'), call('search')];
    const refused = (limit: number) => errorInfo('max_tool_calls_exceeded', { limit });
    test.each([
      [null, [null, null, null]],
      [4, [null, null, null]],
      [2, [null, refused(2), refused(2)]],
      [1, [refused(1), refused(1), refused(1)]],
    ])('max_tool_calls %s, of which one is used', (max_tool_calls, refusals) => {
      const action = next(
        requestWith({ max_tool_calls }, { server: ['search'] }),
        chainOf([model([call('search')]), search(ok), model(three)]),
        null,
      );
      if (action.type !== 'append') throw new Error(`tools are to be run, not ${action.type}`);
      const errors = action.steps.map((step) =>
        step.kind === 'tool_call' && step.outcome.state === 'failed' ? step.outcome.error : null,
      );
      expect(errors).toEqual(refusals);
    });
  });
});

test('liveCalls: calls that are whole, not superseded, and of an answer that was not cut short', () => {
  const items = [call('a'), superseded(call('b')), call('c', undefined, 'incomplete'), text('t'), call('d')].map(
    (make, position) => make('018f0000-0000-7000-8000-000000000001', position),
  );
  expect(liveCalls({ items, finish: 'stop', usage: null }).map((each) => each.name)).toEqual(['a', 'd']);
  expect(liveCalls({ items, finish: 'length', usage: null })).toEqual([]);
});

test.each([
  [undefined, null],
  [null, null],
  [100, 70],
  [30, 0],
  [16, 0],
])('outputTokensLeft: of %s, after 30 spent, %s', (max_output_tokens, left) => {
  const chain = chainOf([model([], { output: 10 }), model([]), model([], { output: 20 })]);
  const request = requestWith(max_output_tokens === undefined ? {} : { max_output_tokens });
  expect(outputTokensLeft(request, chain, null)).toBe(left);
  expect(outputTokensLeft(request, chain, chain[0]?.id ?? null)).toBeNull();
});

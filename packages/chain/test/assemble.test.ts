import { errorInfo, itemId, responseResource, type Usage } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { assemble, outputOf, toolOutputText, usageOf } from '../src/index.ts';
import {
  call,
  callId,
  canceledModel,
  chainOf,
  failedModel,
  model,
  modelIn,
  recordOf,
  requestWith,
  stepId,
  superseded,
  TOOL_ERROR,
  text,
  tool,
  usage,
} from './chains.ts';

describe('assemble', () => {
  test('has every field of the resource, with the defaults of the specification', () => {
    expect(assemble(recordOf(requestWith()), [])).toStrictEqual({
      id: 'resp_018f0000000070009000000000000000',
      object: 'response',
      created_at: 1_700_000_000,
      completed_at: null,
      status: 'in_progress',
      incomplete_details: null,
      model: 'm',
      previous_response_id: null,
      conversation: null,
      instructions: null,
      output: [],
      error: null,
      tools: [],
      tool_choice: 'auto',
      truncation: 'disabled',
      parallel_tool_calls: true,
      text: { format: { type: 'text' } },
      top_p: 1,
      presence_penalty: 0,
      frequency_penalty: 0,
      top_logprobs: 0,
      temperature: 1,
      reasoning: { effort: null, summary: null },
      usage: null,
      max_output_tokens: null,
      max_tool_calls: null,
      store: true,
      background: false,
      service_tier: 'auto',
      metadata: {},
      safety_identifier: null,
      prompt_cache_key: null,
      user: null,
    });
  });

  test('echoes what the client asked for', () => {
    const echoed = {
      instructions: 'Be brief.',
      tool_choice: 'required' as const,
      truncation: 'auto' as const,
      parallel_tool_calls: false,
      text: { format: { type: 'json_object' as const }, verbosity: 'low' as const },
      top_p: 0,
      presence_penalty: 1,
      frequency_penalty: -1,
      top_logprobs: 3,
      temperature: 0,
      reasoning: { effort: 'low' as const, summary: 'auto' as const },
      max_output_tokens: 16,
      max_tool_calls: 2,
      store: false,
      background: true,
      metadata: { a: 'b' },
      safety_identifier: 's',
      prompt_cache_key: 'p',
      user: 'u',
      service_tier: 'flex' as const,
    };
    const previousResponseId = '018f0000-0000-7000-9000-000000000001';
    const conversationId = '018f0000-0000-7000-9000-000000000002';
    const assembled = assemble(recordOf(requestWith(echoed), { previousResponseId, conversationId }), []);
    expect(assembled).toMatchObject({
      ...echoed,
      previous_response_id: 'resp_018f0000000070009000000000000001',
      conversation: { id: 'conv_018f0000000070009000000000000002' },
    });
    expect(responseResource.parse(assembled)).toStrictEqual(assembled);
  });

  const schema = { type: 'object' };
  test.each([
    [{ type: 'text' as const }, { type: 'text' }],
    [
      { type: 'json_schema' as const, name: 'n', schema },
      { type: 'json_schema', name: 'n', description: null, schema: null, strict: false },
    ],
    [
      { type: 'json_schema' as const, name: 'n', schema, description: 'd', strict: true },
      { type: 'json_schema', name: 'n', description: 'd', schema: null, strict: true },
    ],
  ])('echoes the format %j without its schema, for which there is no place', (format, expected) => {
    const { text: echoed } = assemble(recordOf(requestWith({ text: { format, verbosity: null } })), []);
    expect(echoed).toStrictEqual({ format: expected });
  });

  test.each([
    [undefined, [undefined], 'auto', 'default'],
    [null, ['flex'], 'auto', 'flex'],
    ['priority' as const, [undefined], 'priority', 'default'],
    ['priority' as const, ['priority', 'default', undefined], 'priority', 'default'],
  ])('service_tier %s, of which the upstreams give %j', (service_tier, tiers, before, after) => {
    const request = requestWith(service_tier === undefined ? {} : { service_tier });
    const chain = chainOf(tiers.map((tier) => model([text('a')], tier === undefined ? {} : { tier })));
    expect(assemble(recordOf(request), chain).service_tier).toBe(before);
    expect(assemble(recordOf(request, { status: 'completed', endedAt: 1 }), chain).service_tier).toBe(after);
  });

  test('shows the client’s tools and the server’s, of these only what a client may know', () => {
    const secret = { url: 'http://10.0.0.1', headers: { authorization: 'sealed' } };
    const request = {
      ...requestWith({}, { client: ['mine'] }),
      server_tools: [{ name: 'search', description: 'Finds', parameters: { type: 'object' }, ...secret }],
    };
    expect(assemble(recordOf(request), []).tools).toStrictEqual([
      { type: 'function', name: 'mine', description: null, parameters: null, strict: null },
      { type: 'function', name: 'search', description: 'Finds', parameters: { type: 'object' }, strict: false },
    ]);
  });

  test.each([
    [{ status: 'completed' as const }, { status: 'completed', completed_at: 1_700_000_009 }],
    [
      { status: 'incomplete' as const, incompleteReason: 'max_output_tokens' as const },
      { status: 'incomplete', completed_at: null, incomplete_details: { reason: 'max_output_tokens' } },
    ],
    [
      { status: 'failed' as const, error: TOOL_ERROR },
      { status: 'failed', completed_at: null, error: TOOL_ERROR },
    ],
    [{ status: 'cancelled' as const }, { status: 'cancelled', completed_at: null }],
  ])('tells the end: %j', (fields, expected) => {
    const record = recordOf(requestWith(), { ...fields, endedAt: 1_700_000_009_999 });
    expect(assemble(record, [])).toMatchObject({ error: null, incomplete_details: null, ...expected });
  });

  test('tells the usage at the end, and not before', () => {
    const chain = chainOf([model([text('a')], { output: 5 })]);
    expect(assemble(recordOf(requestWith()), chain).usage).toBeNull();
    expect(assemble(recordOf(requestWith(), { status: 'completed', endedAt: 1 }), chain).usage).toEqual(usage(5));
    const canceled = chainOf([canceledModel([text('h', 'incomplete')], { output: 2 })]);
    expect(assemble(recordOf(requestWith(), { status: 'cancelled', endedAt: 1 }), canceled).usage).toEqual(usage(2));
  });
});

describe('outputOf', () => {
  test('is what each model call produced, then the outputs of its calls in the order of the calls', () => {
    const chain = chainOf([
      model([superseded(text('old')), text('a'), call('search'), call('search')]),
      tool('search', callId(1, 2), 'processing'),
      tool('search', callId(1, 3), { output: 'x' }),
      failedModel([text('half', 'incomplete')]),
    ]);
    expect(outputOf(chain).map(({ item, step }) => [item.type, item.id, step.sequence])).toEqual([
      ['message', itemId('message', stepId(1), 0), 1],
      ['message', itemId('message', stepId(1), 1), 1],
      ['function_call', itemId('function_call', stepId(1), 2), 1],
      ['function_call', itemId('function_call', stepId(1), 3), 1],
      ['function_call_output', itemId('function_call_output', stepId(2), 0), 2],
      ['function_call_output', itemId('function_call_output', stepId(3), 0), 3],
      ['message', itemId('message', stepId(4), 0), 4],
    ]);
  });

  test('shows what a canceled model call had published', () => {
    const chain = chainOf([
      model([call('search')]),
      tool('search', callId(1, 0), { output: 'x' }),
      canceledModel([text('whole'), call('search', undefined, 'incomplete')]),
    ]);
    expect(outputOf(chain).map(({ item }) => [item.type, 'status' in item && item.status])).toEqual([
      ['function_call', 'completed'],
      ['function_call_output', 'completed'],
      ['message', 'completed'],
      ['function_call', 'incomplete'],
    ]);
    expect(outputOf(chainOf([modelIn('canceled')]))).toEqual([]);
  });

  const cancelled = JSON.stringify({ error: errorInfo('response_cancelled') });
  test.each([
    ['pending' as const, { status: 'in_progress', output: '' }],
    ['processing' as const, { status: 'in_progress', output: '' }],
    ['canceled' as const, { status: 'incomplete', output: '' }, cancelled],
    [{ output: 'x' }, { status: 'completed', output: 'x' }],
    [TOOL_ERROR, { status: 'completed', output: JSON.stringify({ error: TOOL_ERROR }) }],
  ])('a tool step in state %j', (outcome, expected, told = expected.output) => {
    const [step] = chainOf([tool('search', 'call_1', outcome)]);
    if (step?.kind !== 'tool_call') throw new Error('the chain is one tool step');
    expect(outputOf([step])[0]?.item).toEqual({
      type: 'function_call_output',
      id: itemId('function_call_output', stepId(1), 0),
      call_id: 'call_1',
      ...expected,
    });
    expect(toolOutputText(step)).toBe(told);
  });

  test('steps inside a sub-loop are not the response’s output', () => {
    const chain = chainOf([model([text('inner')])]).map((step) => ({ ...step, parentStepId: stepId(9) }));
    expect(outputOf(chain)).toEqual([]);
  });
});

describe('usageOf', () => {
  test('sums every model call that told its tokens, at every depth, failed and canceled ones too', () => {
    const inner = chainOf([model([], { output: 7 })], 1).map((step) => ({ ...step, parentStepId: stepId(2) }));
    const told = chainOf([model([], { output: 5 }), model([]), modelIn('processing'), failedModel(null)]);
    const canceled = chainOf([canceledModel([], { output: 1 })], 2);
    expect(usageOf([...told, ...inner, ...canceled])).toEqual({
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 12 },
      output_tokens: 13,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 43,
    });
  });

  test.each([
    ['nothing', []],
    ['nobody', [model([]), failedModel(null), failedModel([]), modelIn('pending'), modelIn('canceled')]],
  ])('is zeros where %s told any', (_what, steps) => {
    const none: Usage = {
      input_tokens: 0,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 0,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 0,
    };
    expect(usageOf(chainOf(steps))).toEqual(none);
  });
});

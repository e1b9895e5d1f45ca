import { errorInfo } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import {
  type AcceptedRequest,
  type Agent,
  agentPlaceOf,
  assemble,
  contextWindowOf,
  heldBackTools,
  isScopeStep,
  parametersOf,
  prompt,
  type RecordedItem,
  stepsOf,
  turnItems,
} from '../src/index.ts';
import { call, refusal, requestWith, superseded, text, UPSTREAM_ERROR } from './chains.ts';
import { Story } from './story.ts';

const agent = (fields: Partial<Agent> = {}): Agent => ({
  model: 'inner-model',
  instructions: 'Find out.',
  tools: ['search', 'researcher'],
  mcp_servers: [],
  max_iterations: 3,
  max_tool_calls: null,
  context_window: 4_000,
  timeout_ms: null,
  ...fields,
});

const request = (fields: Partial<AcceptedRequest> = {}, rules: Partial<Agent> = {}): AcceptedRequest => ({
  ...requestWith({}, { server: ['search'], client: ['mine'] }),
  server_tools: [
    { name: 'search', description: 'Finds', parameters: { type: 'object' } },
    { name: 'researcher', description: 'Thinks', parameters: null, agent: agent(rules) },
  ],
  ...fields,
});

const callWith =
  (name: string, json: string) =>
  (step: string, position: number): RecordedItem => {
    const made = call(name)(step, position);
    return made.item.type === 'function_call' ? { ...made, item: { ...made.item, arguments: json } } : made;
  };
const research = callWith('researcher', '{"input":"Why?"}');
const told = (story: Story, scope: string) => prompt(story.now.record.request, story.chain, scope, [], String);
const outputs = (story: Story) =>
  assemble(story.now.record, story.chain).output.flatMap((item) =>
    item.type === 'function_call_output' ? [item.output] : [],
  );

describe('a call of an agent', () => {
  test('opens a scope: its model is called at once, and no worker sees the call itself', () => {
    const story = new Story(request()).answer([research]);
    const opener = story.tool('researcher');
    expect(isScopeStep(opener)).toBe(true);
    expect(opener).toMatchObject({
      outcome: { state: 'processing' },
      startedAt: opener.createdAt,
      request: { agent: true },
    });
    expect(story.now.added.map((step) => [step.kind, step.parentStepId])).toEqual([
      ['tool_call', null],
      ['model_call', opener.id],
    ]);
    expect(story.model(opener.id).request).toEqual({ model: 'inner-model' });
    expect(story.events.map((event) => event.type)).toEqual(['response.output_item.added']);
  });

  test('is answered by what its model says last; what happens on the way is nobody else’s', () => {
    const story = new Story(request()).answer([research]);
    const { id } = story.tool('researcher');
    story.answer([text('Let me see.'), call('search')], id).end('search', { output: 'facts' });
    story.answer([superseded(text('no')), text('Because'), refusal('.')], id);
    expect(story.tool('researcher').outcome).toEqual({ state: 'completed', result: { output: 'Because.' } });
    expect(story.model().request).toEqual({ model: 'm' });
    expect(story.events).toMatchObject([
      { type: 'response.output_item.done', output_index: 1, item: { output: 'Because.' } },
    ]);
    story.answer([text('It is so.')]);
    expect(story.now.record.status).toBe('completed');
    expect(assemble(story.now.record, story.chain).output.map((item) => item.type)).toEqual([
      'function_call',
      'function_call_output',
      'message',
    ]);
    expect(turnItems(story.now.record, story.chain).map((item) => item.type)).toEqual([
      'function_call',
      'function_call_output',
      'message',
    ]);
  });

  test('may fail, which its caller reads', () => {
    const story = new Story(request()).answer([research]);
    story.answer([], story.tool('researcher').id, UPSTREAM_ERROR);
    expect(outputs(story)).toEqual([JSON.stringify({ error: UPSTREAM_ERROR })]);
    expect(story.now.record.status).toBe('in_progress');
  });

  test('comes to an end at its own caps', () => {
    const story = new Story(request({}, { max_iterations: 1 })).answer([research]);
    story.answer([call('search')], story.tool('researcher').id).end('search', { output: 'x' });
    expect(outputs(story)).toEqual([JSON.stringify({ error: errorInfo('max_iterations_exceeded', { limit: 1 }) })]);
  });

  test('begins nothing more when its time is up, nor does an agent below it', () => {
    const story = new Story(request({}, { timeout_ms: 1_000 })).answer([research]);
    const outer = story.tool('researcher').id;
    story.answer([research], outer);
    const inner = story.tool('researcher').id;
    story.late(outer).answer([call('search')], inner);
    const late = errorInfo('tool_timeout', { ms: 1_000 });
    for (const id of [inner, outer]) {
      expect(story.chain.find((step) => step.id === id)).toMatchObject({ outcome: { state: 'failed', error: late } });
    }
    expect(story.now.added).toEqual([story.model()]);
  });

  test('whose time is up has said nothing, even if it says it at last', () => {
    const story = new Story(request({}, { timeout_ms: 1_000 })).answer([research]);
    const { id } = story.tool('researcher');
    story.late(id).answer([text('Because.')], id);
    expect(outputs(story)).toEqual([JSON.stringify({ error: errorInfo('tool_timeout', { ms: 1_000 }) })]);
  });

  test('is broken off with all that is open below it when its time is up, and its caller goes on', () => {
    const story = new Story(request({}, { timeout_ms: 1_000 })).answer([research]);
    const outer = story.tool('researcher').id;
    story.answer([research, call('search')], outer);
    const inner = story.tool('researcher').id;
    const { nextEvent } = story.now.record;
    const said = { items: [text('Bec')(story.model(inner).id, 0)], finish: 'stop' as const, usage: null };
    story.expire(outer, { partial: new Map([[story.model(inner).id, said]]), events: 3 });
    const below = story.chain.filter((step) => step.parentStepId === inner || step.id === inner);
    expect(below.map(({ outcome }) => outcome)).toEqual([
      { state: 'canceled', result: null },
      { state: 'canceled', result: said },
    ]);
    expect(story.tool('search').outcome.state).toBe('canceled');
    expect(outputs(story)).toEqual([JSON.stringify({ error: errorInfo('tool_timeout', { ms: 1_000 }) })]);
    expect(story.now.added).toEqual([story.model()]);
    expect(story.now.record.nextEvent).toBe(nextEvent + 3 + story.events.length);
    expect(() => story.expire(outer)).toThrow('ended already');
  });

  test('leaves what its caller has begun beside it alone when its time is up', () => {
    const story = new Story(request({}, { timeout_ms: 1_000 })).answer([research, call('search')]);
    story.expire(story.tool('researcher').id);
    expect(story.tool('search').outcome.state).toBe('pending');
    expect(story.now.added).toEqual([]);
  });

  test('may not call functions of the client', () => {
    const story = new Story(request()).answer([research]);
    story.answer([call('mine')], story.tool('researcher').id);
    expect(story.tool('mine').outcome).toMatchObject({ error: { code: 'tool_not_found' } });
  });

  test('ends in one entry with the agents that wait for it, however deep', () => {
    const story = new Story(request()).answer([research, research]);
    const [one, two] = stepsOf(story.chain, null).filter(isScopeStep);
    story.answer([research], one?.id).answer([research], story.tool('researcher').id);
    const deepest = story.tool('researcher');
    expect(agentPlaceOf(story.now.record.request, story.chain, story.model(deepest.id))).toEqual({
      parentStepId: deepest.id,
      name: 'researcher',
      depth: 3,
      shown: false,
    });
    story.answer([text('3')], deepest.id);
    const { parentStepId } = deepest;
    story.answer([text('2')], parentStepId);
    expect(story.tool('researcher')).toMatchObject({ outcome: { result: { output: '3' } } });
    story.answer([text('1')], one?.id);
    expect(outputs(story)).toEqual(['1', '']);
    expect(story.chain.filter((step) => step.outcome.state === 'pending')).toEqual([story.model(two?.id)]);
    story.answer([text('also 1')], two?.id);
    expect(outputs(story)).toEqual(['1', 'also 1']);
    expect(story.now.added).toEqual([story.model()]);
  });
});

describe('a call of an agent is refused', () => {
  test('when its arguments are wrong', () => {
    const wrong = errorInfo('tool_invalid_arguments', { reason: 'no' });
    const seen: unknown[] = [];
    const check = (json: string, schema: unknown) => {
      seen.push([json, schema]);
      return wrong;
    };
    const story = new Story(request(), { check }).answer([research]);
    expect(story.tool('researcher')).toMatchObject({ outcome: { error: wrong }, startedAt: null });
    expect(isScopeStep(story.tool('researcher'))).toBe(false);
    expect(story.now.added.map((step) => step.kind)).toEqual(['tool_call', 'model_call']);
    const schema = { type: 'object', properties: { input: { type: 'string' } } };
    expect(seen).toEqual([['{"input":"Why?"}', expect.objectContaining(schema)]]);
  });

  test('beyond the depth that is allowed, and beyond the calls that are', () => {
    const shallow = new Story(request({ max_depth: 1 })).answer([research]);
    shallow.answer([research], shallow.tool('researcher').id);
    expect(shallow.tool('researcher').outcome).toMatchObject({ error: errorInfo('max_depth_exceeded', { limit: 1 }) });

    const body = { ...request().body, max_tool_calls: 2 };
    const counted = new Story(request({ body })).answer([research]);
    counted.answer([call('search'), research], counted.tool('researcher').id);
    const spent = errorInfo('max_tool_calls_exceeded', { limit: 2 });
    expect(counted.tool('search').outcome.state).toBe('pending');
    expect(counted.tool('researcher').outcome).toMatchObject({ error: spent });
  });

  test('eight levels deep, when nobody has said otherwise', () => {
    const story = new Story(request()).answer([research]);
    for (let depth = 1; depth < 8; depth += 1) story.answer([research], story.tool('researcher').id);
    const eighth = story.tool('researcher');
    expect(eighth.outcome.state).toBe('processing');
    story.answer([research], eighth.id);
    expect(story.tool('researcher').outcome).toMatchObject({ error: { code: 'max_depth_exceeded' } });
  });

  test('an agent’s own calls are counted with those below it', () => {
    const story = new Story(request({}, { max_tool_calls: 1 })).answer([research]);
    const outer = story.tool('researcher').id;
    story.answer([research], outer);
    story.answer([call('search')], story.tool('researcher').id);
    expect(story.tool('search').outcome).toMatchObject({ error: { code: 'max_tool_calls_exceeded' } });
  });
});

describe('what an agent’s model is told', () => {
  test('is its task and its own steps, with its own instructions and tools, and nothing else that the client said', () => {
    const body = {
      ...request().body,
      input: [{ type: 'message' as const, role: 'user' as const, content: 'secret' }],
      instructions: 'Be brief.',
      temperature: 1,
      max_output_tokens: 100,
      tool_choice: 'required' as const,
      service_tier: 'flex' as const,
      user: 'u',
    };
    const story = new Story(request({ body })).answer([research]);
    const { id } = story.tool('researcher');
    story.answer([call('search', 'up_1')], id).end('search', { output: 'facts' });
    expect(told(story, id)).toMatchObject({
      instructions: 'Find out.',
      items: [
        { type: 'message', role: 'user', content: 'Why?' },
        { type: 'function_call', call_id: 'up_1', name: 'search' },
        { type: 'function_call_output', call_id: 'up_1', output: 'facts' },
      ],
      tools: [{ name: 'search' }, { name: 'researcher' }],
      tool_choice: null,
      temperature: null,
      max_output_tokens: null,
      service_tier: 'flex',
      user: 'u',
    });
    expect(contextWindowOf(story.now.record.request, story.chain, id)).toBe(4_000);
    expect(contextWindowOf(story.now.record.request, story.chain, null)).toBeNull();
    expect(heldBackTools(story.now.record.request, story.chain, id)).toEqual([]);
  });

  test.each([
    ['{"input":"Why?"}', 'Why?'],
    ['{"input":"Why?","more":1}', '{"input":"Why?","more":1}'],
    ['{"input":1}', '{"input":1}'],
    ['{"question":"Why?"}', '{"question":"Why?"}'],
    ['["input"]', '["input"]'],
    ['null', 'null'],
    ['', ''],
    ['Why?', 'Why?'],
  ])('of the arguments %j: %j', (json, task) => {
    const story = new Story(request()).answer([callWith('researcher', json)]);
    expect(told(story, story.tool('researcher').id).items).toEqual([{ type: 'message', role: 'user', content: task }]);
  });
});

test('parametersOf: what the operator has said, and words for an agent of which nothing is said', () => {
  const story = new Story(request()).answer([research, call('search')]);
  const of = (name: string) => parametersOf(story.now.record.request, story.chain, story.tool(name));
  expect(of('search')).toEqual({ type: 'object' });
  expect(of('researcher')).toMatchObject({ required: ['input'] });
  expect(parametersOf(story.now.record.request, story.chain, story.model())).toBeNull();
});

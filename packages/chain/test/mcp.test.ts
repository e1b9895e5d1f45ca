import { errorInfo, type ToolChoice } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import {
  type AcceptedRequest,
  assemble,
  heldBackTools,
  type McpServer,
  type McpTool,
  mcpServerOf,
  needsApproval,
  parametersOf,
  prompt,
  type RecordedItem,
} from '../src/index.ts';
import { call, recordOf, requestWith, TOOL_ERROR, text } from './chains.ts';
import { requestedAt, Story, server } from './story.ts';

const named = (name: string, fields: Partial<McpTool> = {}): McpTool => ({
  name,
  description: null,
  input_schema: { type: 'object', title: name },
  annotations: null,
  ...fields,
});
const held =
  (name: string) =>
  (step: string, position: number): RecordedItem => ({ ...call(name)(step, position), held_back: true });

const request = (servers: McpServer[], body: Partial<AcceptedRequest['body']> = {}): AcceptedRequest => ({
  ...requestWith(body, { server: ['search'], client: ['mine'] }),
  mcp_servers: servers,
});
const told = ({ now: { record, chain } }: Story) => prompt(record.request, chain, null, [], String);
const output = ({ now: { record, chain } }: Story) => assemble(record, chain).output;
const types = (story: Story) => story.events.map((event) => event.type.replace('response.', ''));

describe('a scope with MCP servers', () => {
  test('begins by asking all of them at once what they can do, and calls its model when they have said so', () => {
    const story = new Story(request([server('docs'), server('wiki')]));
    expect(story.chain.map((step) => step.kind === 'tool_call' && step.request.mcp)).toEqual([
      { do: 'list', server: 'docs', at: 'docs' },
      { do: 'list', server: 'wiki', at: 'wiki' },
    ]);
    expect(types(story).slice(2)).toEqual([
      'output_item.added',
      'mcp_list_tools.in_progress',
      'output_item.added',
      'mcp_list_tools.in_progress',
    ]);
    story.end('wiki', { output: '', tools: [named('read')] });
    expect(types(story)).toEqual(['mcp_list_tools.completed', 'output_item.done']);
    expect(story.now.added).toEqual([]);
    story.end('docs', { output: '', tools: [] });
    expect(story.now.added.map((step) => step.kind)).toEqual(['model_call']);
    expect(output(story)).toMatchObject([
      { type: 'mcp_list_tools', id: expect.stringMatching(/^mcpl_/), server_label: 'docs', tools: [], error: null },
      { type: 'mcp_list_tools', server_label: 'wiki', tools: [named('read')], error: null },
    ]);
  });

  test('goes on without a server that does not answer, and says so', () => {
    const story = new Story(request([server('docs')])).end('docs', TOOL_ERROR);
    expect(types(story)).toEqual(['mcp_list_tools.failed', 'output_item.done']);
    expect(output(story)).toMatchObject([{ tools: [], error: TOOL_ERROR.message }]);
    expect(told(story).tools.map((tool) => tool.name)).toEqual(['mine', 'search']);
    expect(story.model().outcome.state).toBe('pending');
  });

  test('offers their tools under their own names, or under longer ones where those are taken', () => {
    const docs = server('docs', { allowed_tools: ['search', 'read.page', 'mine'], description: 'Manuals' });
    const listed = [named('search', { description: 'Finds' }), named('read.page'), named('mine'), named('drop')];
    const wiki = server('wiki');
    const long = 'x'.repeat(80);
    const story = new Story(request([docs, wiki])).end('docs', { output: '', tools: listed }).end('wiki', {
      output: '',
      tools: [named('read/page'), named('wiki__read_page'), named(long), named(`${long}y`)],
    });
    const offered = ['docs__search', 'read_page', 'docs__mine', 'wiki__read_page', 'wiki__wiki__read_page'];
    expect(told(story).tools.map((tool) => tool.name)).toEqual([
      'mine',
      'search',
      ...offered,
      'x'.repeat(64),
      `wiki__${'x'.repeat(58)}`,
    ]);
    expect(told(story).tools.slice(2, 5)).toEqual([
      {
        name: 'docs__search',
        description: 'Finds\n\n(docs: Manuals)',
        parameters: { type: 'object', title: 'search' },
        strict: null,
      },
      expect.objectContaining({ name: 'read_page', description: 'docs: Manuals' }),
      expect.objectContaining({ name: 'docs__mine' }),
    ]);
    const { record, chain } = story.now;
    expect(heldBackTools(record.request, chain, null).slice(0, 5)).toEqual(offered);
  });
});

describe('a call of a server’s tool', () => {
  const listed = (fields: Partial<McpServer> = {}, body: Partial<AcceptedRequest['body']> = {}) =>
    new Story(request([server('docs', fields)], body)).end('docs', {
      output: '',
      tools: [named('search'), named('read'), named('drop')],
    });

  test('is shown as an item of its own, in place of a function call', () => {
    const story = listed().answer([text('Let me see.'), held('docs__search'), call('search')]);
    expect(types(story)).toEqual([
      'output_item.added',
      'mcp_call.in_progress',
      'mcp_call_arguments.delta',
      'mcp_call_arguments.done',
      'output_item.added',
    ]);
    const step = story.tool('docs__search');
    expect(step.request.mcp).toEqual({ do: 'call', server: 'docs', name: 'search', approval: null });
    const { record, chain } = story.now;
    expect(mcpServerOf(record.request, chain, step)?.label).toBe('docs');
    expect(mcpServerOf(record.request, chain, story.tool('search'))).toBeNull();
    expect(parametersOf(record.request, chain, step)).toEqual({ type: 'object', title: 'search' });
    expect(parametersOf(record.request, chain, story.tool('docs'))).toBeNull();
    story.end('docs__search', { output: 'found' });
    expect(types(story)).toEqual(['mcp_call.completed', 'output_item.done']);
    expect(output(story).slice(1)).toMatchObject([
      { type: 'message' },
      { type: 'function_call', name: 'search' },
      {
        type: 'mcp_call',
        id: expect.stringMatching(/^mcp_/),
        status: 'completed',
        server_label: 'docs',
        name: 'search',
        arguments: '{"q":1}',
        output: 'found',
        error: null,
        approval_request_id: null,
      },
      { type: 'function_call_output' },
    ]);
    story.end('search', { output: 'too' });
    expect(told(story).items).toMatchObject([
      { type: 'message', role: 'assistant' },
      { type: 'function_call', name: 'docs__search' },
      { type: 'function_call', name: 'search' },
      { type: 'function_call_output', output: 'found' },
      { type: 'function_call_output', output: 'too' },
    ]);
  });

  test('may fail, which the model reads and the client sees', () => {
    const story = listed()
      .answer([held('read')])
      .end('read', TOOL_ERROR);
    expect(types(story)).toEqual(['mcp_call.failed', 'output_item.done']);
    expect(output(story)[1]).toMatchObject({ status: 'failed', output: null, error: TOOL_ERROR.message });
    expect(told(story).items.at(-1)).toMatchObject({ output: JSON.stringify({ error: TOOL_ERROR }) });
  });

  test('counts among the tool calls, and asking what there is does not', () => {
    const story = listed({}, { max_tool_calls: 1 }).answer([held('read'), held('drop')]);
    expect(story.tool('read').outcome.state).toBe('pending');
    expect(output(story)[2]).toMatchObject({
      type: 'mcp_call',
      status: 'failed',
      error: errorInfo('max_tool_calls_exceeded', { limit: 1 }).message,
    });
  });

  test('that has to be approved ends the turn, once the other calls are done', () => {
    const story = listed({ require_approval: { always: [], never: ['read'] } });
    story.answer([held('read'), held('drop')]);
    expect(story.now.record.status).toBe('in_progress');
    expect(types(story).slice(-2)).toEqual(['output_item.added', 'output_item.done']);
    story.end('read', { output: 'x' });
    expect(story.now.record.status).toBe('completed');
    expect(output(story).slice(1)).toEqual([
      expect.objectContaining({ type: 'mcp_call', name: 'read', status: 'completed' }),
      {
        type: 'mcp_approval_request',
        id: expect.stringMatching(/^mcpr_/),
        server_label: 'docs',
        name: 'drop',
        arguments: '{"q":1}',
      },
    ]);
  });

  test('that has to be approved is refused inside an agent, which nobody can ask', () => {
    const agent = {
      model: 'inner',
      instructions: null,
      tools: [],
      mcp_servers: ['docs'],
      max_iterations: 3,
      max_tool_calls: null,
      context_window: null,
      timeout_ms: null,
    };
    const story = new Story({
      ...request([server('docs', { inner: true, require_approval: 'always' })]),
      server_tools: [{ name: 'helper', description: null, parameters: null, agent }],
    });
    story.answer([call('helper')]);
    const { id } = story.tool('helper');
    expect(story.tool('docs')).toMatchObject({ parentStepId: id, outcome: { state: 'pending' } });
    story.end('docs', { output: '', tools: [named('drop')] }).answer([held('drop')], id);
    expect(story.tool('drop').outcome).toMatchObject({ error: errorInfo('approval_impossible', { name: 'drop' }) });
    expect(story.now.record.status).toBe('in_progress');
  });

  type Row = [choice: ToolChoice, tools: string[], wanted: unknown, permitted: string[] | null];
  const ALL = ['mine', 'search', 'docs__search', 'read', 'drop'];
  const mcp = { type: 'mcp', server_label: 'docs' } as const;
  test.each<Row>([
    [mcp, ['docs__search', 'read', 'drop'], 'required', ['docs__search', 'read', 'drop']],
    [{ ...mcp, name: 'search' }, ALL, { name: 'docs__search' }, null],
    [{ ...mcp, server_label: 'other' }, ALL, 'auto', null],
    [
      {
        type: 'allowed_tools',
        mode: 'required',
        tools: [
          { ...mcp, name: 'read' },
          { type: 'function', name: 'mine' },
        ],
      },
      ['mine', 'read'],
      'required',
      ['mine', 'read'],
    ],
  ])('is chosen by %j', (tool_choice, tools, wanted, permitted) => {
    const story = listed({}, { tool_choice });
    const first = told(story);
    expect([first.tools.map((tool) => tool.name), first.tool_choice, first.permitted]).toEqual([
      tools,
      wanted,
      permitted,
    ]);
    story.answer([held('read')]).end('read', { output: 'x' });
    expect(told(story).tool_choice).toBe('auto');
  });
});

test.each<[McpServer['require_approval'], boolean[]]>([
  ['always', [true, true, true]],
  ['never', [false, false, false]],
  [{ always: ['a'], never: ['b'] }, [true, false, true]],
  [{ always: ['a'], never: [] }, [true, true, true]],
  [{ always: ['a'], never: ['a'] }, [true, true, true]],
])('needsApproval %j of the tools a, b and c: %j', (require_approval, expected) => {
  expect(['a', 'b', 'c'].map((name) => needsApproval(server('s', { require_approval }), name))).toEqual(expected);
});

test('a response echoes the servers that the client may know, and none of their secrets', () => {
  const servers = [
    server('docs', {
      at: { url: 'secret', digest: 'secret', shown: 'https://docs.example:8443/<redacted>', headers: { a: 'secret' } },
      description: 'Manuals',
      allowed_tools: ['read'],
      require_approval: { always: ['a'], never: [] },
    }),
    server('plain', { at: { ...requestedAt('secret'), shown: 'https://plain.example/' } }),
    server('ours', { at: { registered: 'ours' } }),
    server('hidden', { inner: true }),
  ];
  const { tools } = assemble(recordOf(request(servers)), []);
  expect(JSON.stringify(tools)).not.toContain('secret');
  const echoed = {
    type: 'mcp',
    server_description: null,
    headers: null,
    allowed_tools: null,
    require_approval: 'never',
  };
  expect(tools).toEqual([
    expect.objectContaining({ type: 'function', name: 'mine' }),
    {
      ...echoed,
      server_label: 'docs',
      server_description: 'Manuals',
      server_url: 'https://docs.example:8443/<redacted>',
      allowed_tools: ['read'],
      require_approval: { always: { tool_names: ['a'] }, never: { tool_names: [] } },
    },
    { ...echoed, server_label: 'plain', server_url: 'https://plain.example/' },
    { ...echoed, server_label: 'ours', server_url: null },
    expect.objectContaining({ type: 'function', name: 'search' }),
  ]);
});

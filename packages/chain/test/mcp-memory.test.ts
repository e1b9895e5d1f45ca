import { ApiError, type KeptItem } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import {
  type AcceptedRequest,
  assemble,
  itemsOfTurns,
  type McpServer,
  needsRecall,
  prompt,
  type RecordedItem,
  recall,
  type Turn,
  turnItems,
} from '../src/index.ts';
import { call, recordOf, requestWith, text } from './chains.ts';
import { requestedAt, Story, server } from './story.ts';

const TOOLS = ['read', 'drop'].map((name) => ({ name, description: null, input_schema: {}, annotations: null }));
const docs = server('docs', { require_approval: 'always' });
const held =
  (name: string) =>
  (step: string, position: number): RecordedItem => ({ ...call(name, `up_${name}`)(step, position), held_back: true });

const request = (input: KeptItem[], servers: McpServer[] = [docs]): AcceptedRequest => ({
  ...requestWith({ input }),
  mcp_servers: servers,
});
const user = (content: string): KeptItem => ({ type: 'message', role: 'user', content });
const word = (id: string, approve: boolean, reason: string | null = null): KeptItem => {
  return { type: 'mcp_approval_response', approval_request_id: id, approve, reason };
};

/** The first turn: the model wants to drop something, which has to be approved. */
const asked = new Story(request([user('Drop it.')])).end('docs', { output: '', tools: TOOLS }).answer([held('drop')]);
const question = assemble(asked.now.record, asked.chain).output.at(-1);
if (question?.type !== 'mcp_approval_request') throw new Error('the turn ends with a question');
const { id } = question;

/** The ways in which a turn before can be known. */
const HISTORIES: [string, Turn[]][] = [
  ['a response before it', [{ items: asked.now.record.request.body.input, chain: asked.chain }]],
  ['a conversation', [{ items: turnItems(asked.now.record, asked.chain), chain: [] }]],
];

const goOn = (input: KeptItem[], history: readonly Turn[]) => new Story(recall(request(input), history), { turn: 1 });
const told = ({ now: { record, chain } }: Story, history: readonly Turn[]) =>
  prompt(record.request, chain, null, history, String);

describe.each(HISTORIES)('a turn that goes on from %s', (_what, history) => {
  test('does not ask again what a server can do', () => {
    const story = goOn([user('Never mind.')], history);
    expect(story.chain.map((step) => step.kind)).toEqual(['model_call']);
    expect(told(story, history).tools.map((tool) => tool.name)).toEqual(['read', 'drop']);
    expect(told(story, history).items).toEqual([user('Drop it.'), user('Never mind.')]);
  });

  test('makes a call that it approves before its model is called, and tells it then', () => {
    const input = [word(id, true), user('Go on.')];
    const story = goOn(input, history);
    expect(story.chain).toMatchObject([
      { request: { mcp: { do: 'call', server: 'docs', name: 'drop', approval: id }, arguments: '{"q":1}' } },
    ]);
    story.end('drop', { output: 'dropped' });
    expect(assemble(story.now.record, story.chain).output).toMatchObject([
      { type: 'mcp_call', name: 'drop', status: 'completed', output: 'dropped', approval_request_id: id },
    ]);
    const whole = [
      { type: 'function_call', call_id: id, name: 'drop', arguments: '{"q":1}' },
      { type: 'function_call_output', call_id: id, output: 'dropped' },
    ];
    expect(told(story, history).items).toEqual([user('Drop it.'), user('Go on.'), ...whole]);
    story.answer([text('Done.')]);
    const later = [...history, { items: input, chain: story.chain }];
    expect(told(goOn([user('Thanks.')], later), later).items).toEqual([
      user('Drop it.'),
      user('Go on.'),
      ...whole,
      { type: 'message', role: 'assistant', content: 'Done.' },
      user('Thanks.'),
    ]);
    expect(() => goOn([word(id, true)], later)).toThrow(ApiError);
  });

  test('tells its model of a call that it does not approve, and makes none', () => {
    const story = goOn([word(id, false, 'too risky')], history);
    expect(story.chain.map((step) => step.kind)).toEqual(['model_call']);
    const error = {
      code: 'approval_denied',
      message: 'This call was not made: the user did not approve it (too risky).',
    };
    expect(told(story, history).items).toEqual([
      user('Drop it.'),
      { type: 'function_call', call_id: id, name: 'drop', arguments: '{"q":1}' },
      { type: 'function_call_output', call_id: id, output: JSON.stringify({ error }) },
    ]);
  });

  test('asks again what a server can do when it allows what nobody has heard of, or is another one', () => {
    const asks = (fields: Partial<McpServer>) => {
      const accepted = recall(request([user('q')], [server('docs', fields)]), history);
      return new Story(accepted).chain.map((step) => step.kind);
    };
    expect(asks({ allowed_tools: ['read'] })).toEqual(['model_call']);
    expect(asks({ allowed_tools: ['read', 'write'] })).toEqual(['tool_call']);
    const elsewhere = asks({ at: { ...requestedAt('docs'), digest: 'elsewhere' } });
    expect(elsewhere).toEqual([history[0]?.chain.length === 0 ? 'model_call' : 'tool_call']);
    // What is sealed looks different each time.
    expect(asks({ at: { ...requestedAt('docs'), url: 'sealed anew', headers: {} } })).toEqual(['model_call']);
  });

  type Row = [what: string, input: KeptItem[], servers: McpServer[], code: string, param: string];
  test.each<Row>([
    ['what nobody has asked', [word('mcpr_1', true)], [docs], 'approval_request_not_found', 'input[0]'],
    ['the same twice', [word(id, true), word(id, true)], [docs], 'approval_request_not_found', 'input[1]'],
    ['for a server that is not there', [user('q'), word(id, true)], [], 'mcp_server_not_found', 'input[1]'],
    [
      'for a server that only agents use',
      [word(id, true)],
      [server('docs', { inner: true })],
      'mcp_server_not_found',
      'input[0]',
    ],
  ])('cannot answer %s', (_row, input, servers, code, param) => {
    let thrown: unknown;
    try {
      recall(request(input, servers), history);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ApiError);
    expect(thrown).toMatchObject({ code, param });
  });
});

describe('a client that sends everything itself', () => {
  const said = assemble(asked.now.record, asked.chain).output as KeptItem[];

  test('may answer what it sends along', () => {
    const story = goOn([user('Drop it.'), ...said, word(id, true)], []);
    expect(story.chain).toMatchObject([{ request: { mcp: { do: 'call', name: 'drop', approval: id } } }]);
  });

  test('does not make a call again that it has sent along with its output, whether or not its server is still there', () => {
    const first = goOn([user('Drop it.'), ...said, word(id, true)], []).end('drop', { output: 'dropped' });
    const made = assemble(first.now.record, first.chain).output as KeptItem[];
    const input = [user('Drop it.'), ...said, word(id, true), ...made, user('And now?')];
    expect(goOn(input, []).chain.map((step) => step.kind)).toEqual(['model_call']);
    expect(recall(request(input, []), [])).toEqual(request(input, []));
    const callId = made[0]?.id;
    expect(told(goOn(input, []), []).items).toEqual([
      user('Drop it.'),
      { type: 'function_call', call_id: callId, name: 'drop', arguments: '{"q":1}' },
      { type: 'function_call_output', call_id: callId, output: 'dropped' },
      user('And now?'),
    ]);
  });

  test('sees each output next to the calls of its round, however its items are mixed', () => {
    const named = { server_label: 'docs', arguments: '{}', error: null, approval_request_id: null };
    const mcp = (of: string): KeptItem => ({ type: 'mcp_call', id: of, name: of, output: of, ...named });
    const fc = (call_id: string): KeptItem => ({ type: 'function_call', call_id, name: 'f', arguments: '' });
    const fco = (call_id: string): KeptItem => ({ type: 'function_call_output', call_id, output: '' });
    const order = (items: KeptItem[]) =>
      prompt(requestWith({ input: items }), [], null, [], String).items.map((item) => {
        return item.type === 'function_call' ? `call ${item.call_id}` : `of ${'call_id' in item && item.call_id}`;
      });
    expect(order([fc('b'), mcp('a'), mcp('c'), fco('b')])).toEqual([
      'call b',
      'call a',
      'call c',
      'of a',
      'of c',
      'of b',
    ]);
    expect(order([mcp('a'), mcp('c')])).toEqual(['call a', 'of a', 'call c', 'of c']);
    expect(order([fc('b'), fco('b'), mcp('a')])).toEqual(['call b', 'of b', 'call a', 'of a']);
  });

  test('has no say in what the servers of agents can do', () => {
    const list: KeptItem = { type: 'mcp_list_tools', server_label: 'docs', tools: TOOLS, error: null };
    expect(recall(request([list]), [])).toMatchObject({ mcp_memory: { lists: [{ server: 'docs' }] } });
    const inner = request([list], [server('docs', { inner: true })]);
    expect(recall(inner, [])).toBe(inner);
    const failed = request([{ ...list, error: 'no' }]);
    expect(recall(failed, [])).toBe(failed);
  });
});

test('what a turn adds to its conversation: the items of the servers, and nothing that stands for them', () => {
  const items = turnItems(asked.now.record, asked.chain).map((item) => item.type);
  expect(items).toEqual(['message', 'mcp_list_tools', 'mcp_approval_request']);
  expect(itemsOfTurns([{ items: [], chain: asked.chain }]).map((item) => item.type)).toEqual(items.slice(1));
});

test.each([
  [request([user('q')]), true],
  [request([user('q')], []), false],
  [request([word('mcpr_1', true)], []), true],
  [requestWith(), false],
])('needsRecall %#', (asks, needed) => {
  expect(needsRecall(asks)).toBe(needed);
  if (!needed) expect(recall(asks, HISTORIES[0]?.[1] ?? [])).toBe(asks);
});

test('a memory is of the request that it was made for', () => {
  const record = recordOf(recall(request([word(id, true)]), HISTORIES[0]?.[1] ?? []));
  expect(record.request.mcp_memory).toEqual({
    lists: [{ server: 'docs', tools: TOOLS }],
    approved: [{ approval: id, server: 'docs', name: 'drop', arguments: '{"q":1}' }],
  });
});

/** One owner tries everything on what belongs to another (I7): it is not there, and nothing tells it from what never was. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startMcpServer, type TestMcpServer } from '../harness/mcp-server.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { type Recorder, startRecorder } from './recorder.ts';

const KEYS = { ann: 'sk-ann-0123456789abcdef', bea: 'sk-bea-0123456789abcdef' };
/** Says what only Bea may hear. */
const PRIVATE = 'the-private-words-of-bea';

/** What Bea has, and the same of nobody: well-formed, and never made. */
interface Ids {
  response: string;
  running: string;
  conversation: string;
  item: string;
  output: string;
  approval: string;
}
const NOBODYS: Ids = {
  response: 'resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b',
  running: 'resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6c',
  conversation: 'conv_0190a1b2c3d47e8f9a0b1c2d3e4f5a6d',
  item: 'msg_0190a1b2c3d47e8f9a0b1c2d3e4f5a6e',
  output: 'msg_0190a1b2c3d47e8f9a0b1c2d3e4f5a6f0000',
  approval: 'mcpr_0190a1b2c3d47e8f9a0b1c2d3e4f5a700000',
};

let stack: TestStack;
let recorder: Recorder;
let vault: TestMcpServer;
let beas: Ids;

beforeAll(async () => {
  recorder = await startRecorder();
  vault = await startMcpServer();
  const upstreams = [{ base_url: `${recorder.url}/v1`, model: 'upstream-name' }];
  const url = `${recorder.url}/tools/echo`;
  stack = await testStack({
    config: {
      keys: [
        { name: 'ann', key: KEYS.ann, groups: ['everyone', 'as'] },
        { name: 'bea', key: KEYS.bea, groups: ['everyone', 'bees'] },
      ],
      models: [
        { name: 'shared', upstreams },
        { name: 'hive', upstreams, groups: ['bees'] },
      ],
      tools: [
        { name: 'ledger', kind: 'http', models: ['shared'], url, groups: ['bees'] },
        {
          name: 'vault',
          kind: 'mcp',
          models: ['shared'],
          url: vault.url,
          groups: ['bees'],
          require_approval: 'always',
        },
        { name: 'queen', kind: 'agent', models: ['shared'], model: 'shared', groups: ['bees'] },
        { name: 'helper', kind: 'agent', models: ['shared'], model: 'shared', tools: ['ledger', 'vault', 'queen'] },
      ],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
  beas = await makeBeas();
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
  await vault.close();
});

const as = (key: string) => stack.openai(0, { apiKey: key });

async function makeBeas(): Promise<Ids> {
  const bea = as(KEYS.bea);
  const conversation = await bea.conversations.create({
    items: [{ type: 'message', role: 'user', content: `Remember ${PRIVATE}.` }],
  });
  const items = await bea.conversations.items.list(conversation.id);
  const response = await bea.responses.create({ model: 'shared', input: script(`!say ${PRIVATE}`).text });
  const running = await bea.responses.create({
    model: 'shared',
    input: script('!text 400 100').text,
    background: true,
  });
  const asking = await bea.responses.create({ model: 'shared', input: script('!call echo {"text":"mine"}').text });
  const request = asking.output.find(({ type }) => type === 'mcp_approval_request');
  return {
    response: response.id,
    running: running.id,
    conversation: conversation.id,
    item: items.data[0]?.id ?? '',
    output: response.output.find(({ type }) => type === 'message')?.id ?? '',
    approval: request?.id ?? '',
  };
}

interface Try {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  body?: Record<string, unknown>;
}
const say = (change: Record<string, unknown>) => ({ model: 'shared', input: 'Hi', ...change });
const message = { type: 'message', role: 'user', content: 'I was here.' };

/** Everything that takes an id: with a status of its own where it is not 404. */
const TRIES: [name: string, ask: (ids: Ids) => Try, status?: number][] = [
  ['read a response', ({ response }) => ({ method: 'GET', path: `/responses/${response}` })],
  ['read one that runs', ({ running }) => ({ method: 'GET', path: `/responses/${running}` })],
  ['stream a response', ({ response }) => ({ method: 'GET', path: `/responses/${response}?stream=true` })],
  ['attach to one that runs', ({ running }) => ({ method: 'GET', path: `/responses/${running}?stream=true` })],
  [
    'attach in the middle',
    ({ running }) => ({ method: 'GET', path: `/responses/${running}?stream=true&starting_after=2` }),
  ],
  ['list its input', ({ response }) => ({ method: 'GET', path: `/responses/${response}/input_items` })],
  ['list its steps', ({ response }) => ({ method: 'GET', path: `/responses/${response}/steps` })],
  ['cancel a response', ({ running }) => ({ method: 'POST', path: `/responses/${running}/cancel` })],
  ['delete a response', ({ response }) => ({ method: 'DELETE', path: `/responses/${response}` })],
  ['delete one that runs', ({ running }) => ({ method: 'DELETE', path: `/responses/${running}` })],
  [
    'go on from a response',
    ({ response }) => ({ method: 'POST', path: '/responses', body: say({ previous_response_id: response }) }),
    400,
  ],
  [
    'go on in a conversation',
    ({ conversation }) => ({ method: 'POST', path: '/responses', body: say({ conversation }) }),
  ],
  [
    'refer to an output',
    ({ output }) => ({
      method: 'POST',
      path: '/responses',
      body: say({ input: [{ type: 'item_reference', id: output }] }),
    }),
  ],
  [
    'refer to an item of a conversation',
    ({ item }) => ({
      method: 'POST',
      path: '/responses',
      body: say({ input: [{ type: 'item_reference', id: item }] }),
    }),
  ],
  [
    'approve a call',
    ({ approval }) => ({
      method: 'POST',
      path: '/responses',
      body: say({ input: [{ type: 'mcp_approval_response', approval_request_id: approval, approve: true }] }),
    }),
    400,
  ],
  [
    'count the tokens of a response',
    ({ response }) => ({
      method: 'POST',
      path: '/responses/input_tokens',
      body: say({ previous_response_id: response }),
    }),
    400,
  ],
  [
    'count the tokens of a conversation',
    ({ conversation }) => ({ method: 'POST', path: '/responses/input_tokens', body: say({ conversation }) }),
  ],
  [
    'compact a response',
    ({ response }) => ({
      method: 'POST',
      path: '/responses/compact',
      body: { model: 'shared', previous_response_id: response },
    }),
    400,
  ],
  ['read a conversation', ({ conversation }) => ({ method: 'GET', path: `/conversations/${conversation}` })],
  [
    'change a conversation',
    ({ conversation }) => ({ method: 'POST', path: `/conversations/${conversation}`, body: { metadata: { a: 'b' } } }),
  ],
  ['delete a conversation', ({ conversation }) => ({ method: 'DELETE', path: `/conversations/${conversation}` })],
  ['list its items', ({ conversation }) => ({ method: 'GET', path: `/conversations/${conversation}/items` })],
  [
    'add to a conversation',
    ({ conversation }) => ({
      method: 'POST',
      path: `/conversations/${conversation}/items`,
      body: { items: [message] },
    }),
  ],
  [
    'read an item',
    ({ conversation, item }) => ({ method: 'GET', path: `/conversations/${conversation}/items/${item}` }),
  ],
  [
    'remove an item',
    ({ conversation, item }) => ({ method: 'DELETE', path: `/conversations/${conversation}/items/${item}` }),
  ],
];

/** What an answer says, without the ids that were asked for. */
async function tryAs(key: string, ids: Ids, { method, path, body }: Try) {
  const answer = await stack.fetch(`/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  const said = Object.values(ids).reduce((left, id) => left.replaceAll(id, '<id>'), text);
  return { status: answer.status, said };
}

describe('what Bea has', () => {
  test.each(TRIES)('is not there for Ann: %s', async (_, ask, status = 404) => {
    const hidden = await tryAs(KEYS.ann, beas, ask(beas));
    expect(hidden.status).toBe(status);
    expect(hidden).toEqual(await tryAs(KEYS.ann, NOBODYS, ask(NOBODYS)));
    expect(hidden.said).not.toContain(PRIVATE);
  });

  test('is as it was', async () => {
    const bea = as(KEYS.bea);
    expect(await bea.responses.retrieve(beas.response)).toMatchObject({ status: 'completed', output_text: PRIVATE });
    expect((await bea.responses.retrieve(beas.running)).status).toBe('in_progress');
    const items = await bea.conversations.items.list(beas.conversation);
    expect(items.data.map(({ id }) => id)).toEqual([beas.item]);
    expect(vault.calls).toEqual([]);
    expect((await bea.responses.cancel(beas.running)).status).toBe('cancelled');
  });

  test('is there for Bea: the same requests find something', async () => {
    for (const [name, ask] of TRIES.filter(([, each]) => each(beas).method === 'GET')) {
      expect({ name, status: (await tryAs(KEYS.bea, beas, ask(beas))).status }).toEqual({ name, status: 200 });
    }
  });
});

describe('the tools and models of Bea', () => {
  const create = (body: Record<string, unknown>, key = KEYS.ann) =>
    tryAs(key, NOBODYS, { method: 'POST', path: '/responses', body: say({ input: script('!say Hi.').text, ...body }) });
  const fn = (name: string) => ({ type: 'function', name });

  test('are not offered to Ann, and her agents do not have them', async () => {
    const { text, marker } = script('!say Hi.');
    const mine = await as(KEYS.ann).responses.create({ model: 'shared', input: text });
    expect(recorder.chats(marker)[0]?.tools?.map((tool) => tool.function.name)).toEqual(['helper']);
    expect(mine.tools.map((tool) => ('name' in tool ? tool.name : tool.type))).toEqual(['helper']);
    const { rows } = await stack.database.query<{ request: Record<string, unknown> }>(
      'SELECT request FROM responses ORDER BY created_at DESC LIMIT 1',
    );
    expect(rows[0]?.request).toMatchObject({
      server_tools: [{ name: 'helper', agent: { tools: [], mcp_servers: [] } }],
    });
    expect(rows[0]?.request).not.toHaveProperty('mcp_servers');
  });

  test.each(['ledger', 'vault', 'queen'])('cannot be chosen, nor told from what never was: %s', async (name) => {
    const [of, never] = await Promise.all([
      create({ tool_choice: fn(name) }),
      create({ tool_choice: fn('no_such_tool') }),
    ]);
    expect(of.status).toBe(400);
    expect(of.said.replaceAll(name, '<name>')).toBe(never.said.replaceAll('no_such_tool', '<name>'));
    const [server, none] = await Promise.all([
      create({ tools: [{ type: 'mcp', server_label: name }] }),
      create({ tools: [{ type: 'mcp', server_label: 'no_such_tool' }] }),
    ]);
    expect(server.status).toBe(400);
    expect(server.said.replaceAll(name, '<name>')).toBe(none.said.replaceAll('no_such_tool', '<name>'));
  });

  test('are not run when a model calls them all the same', async () => {
    const { text, marker } = script(`!call ledger {"q":"${PRIVATE}"}`, '!turn', '!say Oh.');
    const response = await as(KEYS.ann).responses.create({ model: 'shared', input: text });
    expect(JSON.stringify(response.output)).toContain('tool_not_found');
    expect((await callsWith(stack, marker)).length).toBeGreaterThan(0);
    expect(recorder.requests('/tools/echo', PRIVATE)).toEqual([]);
  });

  test('leave their names to Ann', async () => {
    const input = script('!call ledger {"q":1}').text;
    const response = await as(KEYS.ann).responses.create({
      model: 'shared',
      input,
      tools: [{ ...fn('ledger') } as never],
    });
    expect(response.output.at(-1)).toMatchObject({ type: 'function_call', name: 'ledger' });
    expect(recorder.requests('/tools/echo', '"q":1')).toEqual([]);
  });

  test.each([
    ['/responses', { input: 'Hi' }],
    ['/responses/input_tokens', { input: 'Hi' }],
    ['/responses/compact', { input: [message] }],
    ['/chat/completions', { messages: [{ role: 'user', content: 'Hi' }] }],
    ['/embeddings', { input: 'Hi' }],
  ])('a model is not there: POST %s', async (path, body) => {
    const of = await tryAs(KEYS.ann, NOBODYS, { method: 'POST', path, body: { model: 'hive', ...body } });
    const never = await tryAs(KEYS.ann, NOBODYS, { method: 'POST', path, body: { model: 'hove', ...body } });
    expect(of.status).toBe(404);
    expect(of.said).toBe(never.said.replaceAll('hove', 'hive'));
  });

  test('a model is not there: GET /models', async () => {
    const { said } = await tryAs(KEYS.ann, NOBODYS, { method: 'GET', path: '/models' });
    expect(said).toContain('shared');
    expect(said).not.toContain('hive');
    expect((await tryAs(KEYS.ann, NOBODYS, { method: 'GET', path: '/models/hive' })).status).toBe(404);
  });

  test('nobody administers with a key of theirs', async () => {
    for (const path of ['keys', 'groups', 'models', 'tools', 'webhooks']) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await stack.fetch(`/admin/v1/${path}/ledger`, {
          method,
          headers: { authorization: `Bearer ${KEYS.ann}` },
          ...(method === 'PUT' ? { body: '{}' } : {}),
        });
        expect({ path, method, status: answer.status }).toEqual({ path, method, status: 401 });
      }
    }
  });
});

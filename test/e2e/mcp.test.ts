/** MCP servers in the loop, driven with the official client: a real server, made with the official SDK. */
import { randomUUID } from 'node:crypto';
import type OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { logged } from '../harness/logged.ts';
import { type McpServerOptions, startMcpServer, type TestMcpServer } from '../harness/mcp-server.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { stored } from '../harness/stored.ts';
import { type Recorder, startRecorder } from './recorder.ts';

type OutputItem = OpenAI.Responses.ResponseOutputItem;
type Tool = OpenAI.Responses.Tool.Mcp;

const SECRET = 'sk-of-the-client-0123456789';

let stack: TestStack;
let recorder: Recorder;
let client: OpenAI;
let wiki: TestMcpServer;
let slow: TestMcpServer;
/** Servers that requests name. */
let given: TestMcpServer;
let guarded: TestMcpServer;
const servers: TestMcpServer[] = [];

async function start(options: McpServerOptions = {}): Promise<TestMcpServer> {
  const server = await startMcpServer(options);
  servers.push(server);
  return server;
}

beforeAll(async () => {
  recorder = await startRecorder();
  wiki = await start({ requires: { authorization: 'Bearer sk-of-the-wiki' } });
  slow = await start({ listMs: 60_000 });
  given = await start({ host: '127.0.0.9' });
  guarded = await start({ host: '127.0.0.9', requires: { 'x-key': SECRET } });
  const upstreams = [{ base_url: `${recorder.url}/v1`, model: 'upstream-name' }];
  stack = await testStack({
    env: { FETCH_ALLOW: '127.0.0.9' },
    config: {
      models: [
        { name: 'with-wiki', upstreams },
        { name: 'with-slow', upstreams },
        { name: 'bare', upstreams },
      ],
      tools: [
        {
          name: 'wiki',
          kind: 'mcp',
          models: ['with-wiki'],
          url: wiki.url,
          headers: { authorization: 'Bearer sk-of-the-wiki' },
          require_approval: 'never',
          allowed_tools: ['echo', 'add', 'fail', 'measure', 'headers', 'crash'],
        },
        { name: 'slow', kind: 'mcp', models: ['with-slow'], url: slow.url, timeout_ms: 500, require_approval: 'never' },
      ],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
  client = stack.openai();
});
beforeEach(() => {
  for (const server of servers) server.refuseWith(null);
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
  for (const server of servers) await server.close();
});

/** Calls of tools as lines of a script. */
const call = (tool: string, args: Record<string, unknown>) => `!call ${tool} ${JSON.stringify(args)}`;
const types = (output: readonly OutputItem[]) => output.map(({ type }) => type);
const ofType = <T extends OutputItem['type']>(output: readonly OutputItem[], type: T) =>
  output.filter((item): item is Extract<OutputItem, { type: T }> => item.type === type);
const mcp = (server: TestMcpServer, change: Partial<Tool> = {}): Tool => ({
  type: 'mcp',
  server_label: 'given',
  server_url: server.url,
  require_approval: 'never',
  ...change,
});

describe('a server of the operator', () => {
  test('is listed, offered to the model and called', async () => {
    const text = randomUUID();
    const { text: input, marker } = script(call('echo', { text }), call('add', { a: 2, b: 3 }), '!turn', '!say Done.');
    const response = await client.responses.create({ model: 'with-wiki', input });
    expect(response).toMatchObject({ status: 'completed', output_text: 'Done.' });
    expect(types(response.output)).toEqual(['mcp_list_tools', 'mcp_call', 'mcp_call', 'message']);
    const [list] = ofType(response.output, 'mcp_list_tools');
    expect(list).toMatchObject({ server_label: 'wiki' });
    expect(list?.tools.map(({ name }) => name)).toEqual(['echo', 'add', 'fail', 'measure', 'headers', 'crash']);
    expect(ofType(response.output, 'mcp_call')).toMatchObject([
      { name: 'echo', server_label: 'wiki', arguments: JSON.stringify({ text }), output: text, error: null },
      { name: 'add', output: '5' },
    ]);
    const chats = recorder.chats(marker);
    expect(chats[0]?.tools?.map((tool) => tool.function.name)).toEqual(expect.arrayContaining(['echo', 'add']));
    const told = (chats.at(-1)?.messages ?? []).filter(({ role }) => role === 'tool');
    expect(told.map(({ content }) => content)).toEqual([text, '5']);
  });

  test('its failures are the model’s to read', async () => {
    const { text: input } = script(
      call('fail', { why: 'no money' }),
      call('add', { a: 'two', b: 3 }),
      '!turn',
      '!say Oh.',
    );
    const before = wiki.calls.length;
    const response = await client.responses.create({ model: 'with-wiki', input });
    expect(response).toMatchObject({ status: 'completed', output_text: 'Oh.' });
    const [failed, mismatched] = ofType(response.output, 'mcp_call');
    expect(JSON.stringify(failed?.error)).toContain('no money');
    expect(JSON.stringify(mismatched?.error)).toContain('/a must be number');
    // What does not fit never leaves.
    expect(wiki.calls.slice(before).map(({ tool }) => tool)).toEqual(['fail']);
  });

  test('that breaks off in the middle of a call is asked no second time', async () => {
    const { text: input } = script(call('crash', {}), '!turn', '!say Oh.');
    const before = wiki.calls.length;
    const response = await client.responses.create({ model: 'with-wiki', input });
    expect(response.output_text).toBe('Oh.');
    expect(ofType(response.output, 'mcp_call')[0]?.error).toBeTruthy();
    expect(wiki.calls.slice(before)).toHaveLength(1);
  });

  test('that cannot be listed is missing, and the response goes on', async () => {
    const response = await client.responses.create({ model: 'with-slow', input: script('!say Alone.').text });
    expect(response).toMatchObject({ status: 'completed', output_text: 'Alone.' });
    const [list] = ofType(response.output, 'mcp_list_tools');
    expect(list?.tools).toEqual([]);
    expect(JSON.stringify(list?.error)).toContain('did not answer within 500 ms');
  });

  test('is used less when a request says so', async () => {
    const { text: input, marker } = script('!say Fine.');
    const tools = [{ type: 'mcp', server_label: 'wiki', allowed_tools: ['add'] } as Tool];
    const response = await client.responses.create({ model: 'with-wiki', input, tools });
    expect(ofType(response.output, 'mcp_list_tools')[0]?.tools.map(({ name }) => name)).toEqual(['add']);
    expect(recorder.chats(marker)[0]?.tools?.map((tool) => tool.function.name)).toEqual(['add']);
  });
});

describe('a server that the request names', () => {
  test('is reached where the operator allows it, with the headers that it needs, which nobody sees again', async () => {
    const { text: input } = script(call('headers', {}), '!turn', '!say Done.');
    const tools = [mcp(guarded, { headers: { 'x-key': SECRET } })];
    const response = await client.responses.create({ model: 'bare', input, tools });
    expect(types(response.output)).toEqual(['mcp_list_tools', 'mcp_call', 'message']);
    const [made] = ofType(response.output, 'mcp_call');
    expect(JSON.parse(made?.output ?? '')).toMatchObject({ 'x-key': '***' });
    expect(guarded.calls.at(-1)?.headers['x-key']).toBe(SECRET);
    const steps = await (await stack.fetch(`/v1/responses/${response.id}/steps`)).text();
    const stream = await (await stack.fetch(`/v1/responses/${response.id}?stream=true`)).text();
    const rows = await stack.database.query(
      'SELECT r::text AS kept FROM responses r UNION ALL SELECT s::text FROM response_steps s',
    );
    for (const text of [JSON.stringify(response), steps, stream, JSON.stringify(rows.rows)]) {
      expect(text).not.toContain(SECRET);
    }
    // What follows the host may be a secret, too.
    const server_url = expect.stringMatching(new RegExp(`^${new URL(guarded.url).origin}/`));
    expect(response.tools).toMatchObject([{ type: 'mcp', server_label: 'given', server_url }]);
  });

  test('has its address sealed wherever it is kept: in the tables, in the streams while it is called, in the logs', async () => {
    const [path, query, origin] = [`path-${randomUUID()}`, `query-${randomUUID()}`, new URL(given.url).origin];
    const server_label = 'with_secret_address';
    const tools = [mcp(given, { server_label, server_url: `${origin}/${path}/mcp?token=${query}` })];
    const { text: input } = script(call('sleep', { ms: 600_000 }), '!turn', '!say Late.');
    const before = given.calls.length;
    const live = await client.responses.create({ model: 'bare', input, tools, background: true });
    await eventually('the tool is called', async () => given.calls.length > before);
    expect(given.targets.at(-1)).toBe(`/${path}/mcp?token=${query}`);
    // Where the server is spoken of: its label is no secret.
    expect(await stored(stack, server_label)).toEqual(expect.arrayContaining(['public.responses', 'TR_WORK']));
    for (const secret of [path, query]) expect(await stored(stack, secret)).toEqual([]);
    await client.responses.cancel(live.id);

    const conversation = await client.conversations.create();
    const gone = mcp(given, { server_label: 'gone', server_url: `http://127.0.0.9:9/${path}?token=${query}` });
    const done = await client.responses.create({
      model: 'bare',
      input: script(call('echo', { text: 'hi' }), '!turn', '!say Done.').text,
      tools: [...tools, gone],
      conversation: conversation.id,
    });
    expect(types(done.output)).toEqual(['mcp_list_tools', 'mcp_list_tools', 'mcp_call', 'message']);
    expect(ofType(done.output, 'mcp_list_tools').map(({ error }) => error === null)).toEqual([true, false]);
    expect(done.tools).toMatchObject([
      { server_url: `${origin}/<redacted>` },
      { server_url: 'http://127.0.0.9:9/<redacted>' },
    ]);
    const shown = await stack.fetch(`/v1/responses/${done.id}/steps`);
    const told = JSON.stringify([done, await client.responses.retrieve(done.id), await shown.text()]);
    const places = ['conversation_items', 'response_steps', 'responses', 'tool_call_analytics'].map(
      (t) => `public.${t}`,
    );
    expect(await stored(stack, server_label)).toEqual(expect.arrayContaining([...places, 'TR_LOG_0']));
    for (const secret of [path, query]) {
      expect(told).not.toContain(secret);
      expect(await stored(stack, secret)).toEqual([]);
      expect(await logged(stack, secret)).toEqual([]);
    }
  });

  test('refuses those who do not have them: the response goes on without', async () => {
    const { text: input } = script('!say Alone.');
    const response = await client.responses.create({ model: 'bare', input, tools: [mcp(guarded)] });
    expect(response.output_text).toBe('Alone.');
    expect(JSON.stringify(ofType(response.output, 'mcp_list_tools')[0]?.error)).toContain('401');
  });

  test('is not asked again for its tools in the turn after', async () => {
    const first = await client.responses.create({
      model: 'bare',
      input: script('!say One.').text,
      tools: [mcp(given)],
    });
    const { text: input } = script(call('echo', { text: 'again' }), '!turn', '!say Two.');
    const next = { model: 'bare', input, tools: [mcp(given)], previous_response_id: first.id };
    const second = await client.responses.create(next);
    expect(types(second.output)).toEqual(['mcp_call', 'message']);
    const elsewhere = [mcp(given, { server_url: `${given.url}?tenant=other` })];
    const third = await client.responses.create({
      ...next,
      input: script('!say Three.').text,
      tools: elsewhere,
    });
    expect(types(third.output)).toEqual(['mcp_list_tools', 'message']);
  });

  test('waits for approval, unless it is told not to; a call that is approved is made, one that is not is not', async () => {
    const [yes, no] = [randomUUID(), randomUUID()];
    const { text: input } = script(call('echo', { text: yes }), call('echo', { text: no }), '!turn', '!say Thanks.');
    const tools = [mcp(given, { require_approval: 'always' })];
    const asking = await client.responses.create({ model: 'bare', input, tools });
    expect(types(asking.output)).toEqual(['mcp_list_tools', 'mcp_approval_request', 'mcp_approval_request']);
    expect(asking.status).toBe('completed');
    expect(given.calls.some(({ arguments: { text } }) => text === yes || text === no)).toBe(false);
    const [one, two] = ofType(asking.output, 'mcp_approval_request');
    const answered = await client.responses.create({
      model: 'bare',
      tools,
      previous_response_id: asking.id,
      input: [
        { type: 'mcp_approval_response', approval_request_id: one?.id ?? '', approve: true },
        { type: 'mcp_approval_response', approval_request_id: two?.id ?? '', approve: false },
      ],
    });
    expect(answered.status).toBe('completed');
    expect(ofType(answered.output, 'mcp_call')).toMatchObject([
      { name: 'echo', output: yes, approval_request_id: one?.id },
    ]);
    const made = given.calls.map(({ arguments: { text } }) => text).filter((text) => text === yes || text === no);
    expect(made).toEqual([yes]);
  });

  test.each(['http://127.0.0.1:9/mcp', 'http://169.254.169.254/latest', 'http://localhost:9/', 'http://[::1]:9/'])(
    'is not reached at %s',
    async (server_url) => {
      const { text: input } = script('!say Alone.');
      const response = await client.responses.create({ model: 'bare', input, tools: [mcp(given, { server_url })] });
      expect(response.output_text).toBe('Alone.');
      expect(JSON.stringify(ofType(response.output, 'mcp_list_tools')[0]?.error)).toContain('may be reached');
    },
  );
});

test('no process has logged a secret', async () => {
  for (const secret of [SECRET, 'sk-of-the-wiki']) expect(await logged(stack, secret)).toEqual([]);
  expect(await logged(stack, 'tool-runner ready')).not.toEqual([]);
});

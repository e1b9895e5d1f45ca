/** The search for secrets, with leaks planted into every place. */
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type Secret,
  secretsOfAddress,
  secretsOfConfig,
  secretsOfEnvironment,
  secretsOfRequest,
} from './secret-places.ts';
import { Secrets } from './secrets.ts';
import { testStack } from './stack.ts';
import { validatingFetch } from './validating-fetch.ts';
import { startValidatingProxy } from './validating-proxy.ts';
import { Violations } from './violations.ts';
import { WireChecks } from './wire-checks.ts';

const SECRET = 'hush-0123456789';
// What a file holds in the place of the secret itself.
const REFERENCE = `\${env:${'OF_THE_FILE'}}`;
const FOUND = 'it holds the secret';

function checksFor(value = SECRET): WireChecks {
  const checks = new WireChecks(undefined);
  checks.secrets.learn([{ name: 'the secret', value }]);
  return checks;
}

/** What was found, by the search for secrets alone. */
const foundBy = (checks: WireChecks) =>
  checks.violations.list.filter(({ by }) => by === 'secrets').map(({ what }) => what);

interface Answer {
  body: string;
  type?: string;
  status?: number;
  headers?: Record<string, string>;
}

/** What is found in an answer that is sent byte by byte. */
async function inAnswer(path: string, answer: Answer, init: RequestInit = {}, checks = checksFor()): Promise<string[]> {
  const { body, type = 'application/json', status = 200, headers } = answer;
  const bytes = ReadableStream.from([...Buffer.from(body)].map((byte) => Uint8Array.of(byte)));
  const { fetch, settled } = validatingFetch(
    async () => new Response(bytes, { status, headers: { ...headers, 'content-type': type } }),
    checks,
  );
  expect(await (await fetch(`http://127.0.0.1${path}`, init)).text()).toBe(body);
  await settled();
  return foundBy(checks);
}

describe('a leak is caught', () => {
  test.each<[string, string, Answer]>([
    ['in a body', '/v1/responses/resp_1', { body: `{"a":"${SECRET}"}` }],
    ['in an error', '/v1/responses/resp_1', { status: 404, body: `{"error":"no ${SECRET}"}` }],
    ['in a stream', '/v1/responses', { type: 'text/event-stream', body: `data: {"a":"${SECRET}"}\n\n` }],
    ['in what is passed on', '/v1/embeddings', { body: `{"a":"${SECRET}"}` }],
    [
      'in a stream that is passed on',
      '/v1/chat/completions',
      { type: 'text/event-stream', body: `data: ${SECRET}\n\n` },
    ],
    ['in an answer for operators', '/admin/v1/tools', { body: `{"headers":{"a":"${SECRET}"}}` }],
    ['in measures', '/metrics', { type: 'text/plain', body: `a{b="${SECRET}"} 1` }],
    ['in a header', '/v1/models', { body: '{}', headers: { 'x-a': `b ${SECRET}` } }],
    ['within JSON and an address', '/readyz', { body: `{"a":"\\"${SECRET}"}` }],
  ])('%s', async (_, path, answer) => {
    expect(await inAnswer(path, answer)).toEqual([FOUND]);
    const harmless = JSON.parse(JSON.stringify(answer).replaceAll(SECRET, 'hush')) as Answer;
    expect(await inAnswer(path, harmless)).toEqual([]);
  });

  test.each([
    ['as JSON writes it', 'a "quoted" one', '{"a":"it is a \\"quoted\\" one"}'],
    ['as an address has it', 'one two/three', '{"a":"?q=one%20two%2Fthree"}'],
    ['without its scheme', `Bearer ${SECRET}`, `{"a":"${SECRET}"}`],
    ['with its scheme, where it is too short alone', 'Bearer sk-tool', '{"a":"Bearer sk-tool"}'],
  ])('%s', async (_, value, body) => {
    expect(await inAnswer('/readyz', { body }, {}, checksFor(value))).toEqual([FOUND]);
  });

  test('in a body that breaks off', async () => {
    const checks = checksFor();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`{"a":"${SECRET}"`);
      throw new Error('cut');
    }
    const { fetch, settled } = validatingFetch(async () => new Response(ReadableStream.from(broken())), checks);
    await expect((await fetch('http://127.0.0.1/readyz')).text()).rejects.toThrow('cut');
    await settled();
    expect(foundBy(checks)).toEqual([FOUND]);
  });

  test.each([true, false])('in a message of a WebSocket, whether its names are judged (%s)', (isJudged) => {
    const checks = checksFor();
    checks.socketMessage(`{"type":"${SECRET}"}`, isJudged);
    expect(foundBy(checks)).toEqual([FOUND]);
  });

  test('through the proxy, in a header and a body, of what the request carried', async () => {
    const server = createServer((request, response) => {
      request.resume();
      request.once('end', () => {
        response.writeHead(200, { 'content-type': 'application/json', 'x-a': request.headers.authorization });
        response.end('{"a":"of the server, sent"}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const checks = new WireChecks(undefined);
    const proxy = await startValidatingProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, checks);
    const tools = [{ type: 'mcp', headers: { 'x-key': 'of the server, sent' } }];
    const init = { method: 'POST', headers: { authorization: `Bearer ${SECRET}` }, body: JSON.stringify({ tools }) };
    await (await fetch(`${proxy.url}/v1/embeddings`, init)).text();
    await proxy.close();
    server.close();
    expect(foundBy(checks)).toEqual([
      'it holds the key of a request',
      'it holds the MCP servers of a request[0], headers, x-key',
    ]);
  });

  test('in any log of a folder, wherever the pieces of it are cut', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-logs-'));
    // A file is read in pieces of 64 KiB.
    await writeFile(join(folder, 'gateway-0.log'), `${'x'.repeat(65_536 - 5)}${SECRET}\n`);
    await writeFile(join(folder, 'gateway-0.log.1'), SECRET);
    await writeFile(join(folder, 'orchestrator-0.log'), SECRET.slice(1));
    const violations = new Violations();
    const secrets = new Secrets();
    secrets.learn([{ name: 'the secret', value: SECRET }]);
    await secrets.scanLogs(folder, violations);
    await rm(folder, { recursive: true });
    expect(violations.list.map(({ what }) => what).sort()).toEqual([
      'gateway-0.log holds the secret',
      'gateway-0.log.1 holds the secret',
    ]);
  });

  test('by a stack of processes: of its keys and configuration, in an answer and a log', async () => {
    const stack = await testStack({
      env: { OF_THE_FILE: SECRET },
      config: {
        models: [{ name: 'm', upstreams: [{ base_url: 'http://127.0.0.1:9/v1', api_key: REFERENCE, model: 'm' }] }],
      },
    });
    await stack.openai().responses.create({ model: 'demo', input: `!say ${SECRET}` });
    await stack.openai().responses.create({ model: 'demo', input: `!say ${stack.apiKey}` });
    await appendFile(join(stack.dataDir, 'logs', 'tool-runner-0.log'), `${stack.adminKey}\n`);
    const failure: Error = await stack.stop().then(
      () => new Error('nothing was found'),
      (error) => error,
    );
    expect(failure.message).toMatch(
      /POST \/v1\/responses → 200: it holds the configuration, models\[0\], upstreams\[0\], api_key/,
    );
    expect(failure.message).toMatch(/POST \/v1\/responses → 200: it holds the key of the stack/);
    expect(failure.message).toMatch(/logs: tool-runner-0.log holds the operator's key/);
  });
});

describe('a key that is made', () => {
  const made = { status: 201, body: `{"name":"a","key":"${SECRET}"}` };

  test.each(['/admin/v1/keys', '/admin/v1/keys/a/rotate'])(
    'is in that answer of %s, and in none after it',
    async (path) => {
      const checks = new WireChecks(undefined);
      expect(await inAnswer(path, made, { method: 'POST' }, checks)).toEqual([]);
      expect(await inAnswer(path, made, { method: 'GET' }, checks)).toEqual(['it holds a key that was made']);
    },
  );

  test('does not hide another secret beside it', async () => {
    const body = `{"key":"${SECRET}-of-it","old":"${SECRET}"}`;
    expect(await inAnswer('/admin/v1/keys', { body }, { method: 'POST' })).toEqual([FOUND]);
  });
});

describe('what is a secret', () => {
  const values = (secrets: Iterable<Secret>) => [...secrets].map(({ value }) => value);

  test('of a configuration: keys, headers and what they refer to, not what is described in public', () => {
    const config = {
      keys: [{ name: 'a', key: 'key-1' }],
      models: [{ name: 'm', upstreams: [{ api_key: REFERENCE, base_url: 'http://a' }] }],
      tools: [{ kind: 'http', headers: { 'x-a': 'header-1' }, parameters: { properties: { key: 'shown' } } }],
      webhooks: [{ name: 'w', secret: 'whsec_1' }],
    };
    expect(values(secretsOfConfig(config, { OF_THE_FILE: 'upstream-1' }))).toEqual([
      'key-1',
      'upstream-1',
      'header-1',
      'whsec_1',
    ]);
  });

  test('of an environment and an address', () => {
    const environment = { TAILRACE_SECRET_KEY: 'a', API_TOKEN: 'b', LOG_LEVEL: 'c', KEY_REQUESTS_PER_MINUTE: '4' };
    expect(values(secretsOfEnvironment(environment))).toEqual(['a', 'b']);
    expect(values(secretsOfAddress('Postgres', 'postgres://u:a%20b@127.0.0.1/d'))).toEqual(['a b']);
    expect(secretsOfAddress('NATS', 'nats://127.0.0.1:4222')).toEqual([]);
  });

  test('of a request: its key, its MCP servers’ headers, what an operator registers', () => {
    const of = (path: string, body: unknown, authorization: string | null = null) =>
      values(secretsOfRequest({ path, authorization, body: typeof body === 'string' ? body : JSON.stringify(body) }));
    const server = { type: 'mcp', authorization: 'token-1', headers: { 'x-key': 'header-1' } };
    const other = { type: 'function', name: 'headers', headers: { a: 'shown' } };
    const body = { metadata: { secret: 'shown' }, tools: [other, server] };
    expect(of('/v1/responses', body, 'Bearer a')).toEqual(['Bearer a', 'token-1', 'header-1']);
    expect(of('/v1/responses', 'no JSON')).toEqual([]);
    expect(of('/v1/responses', '[null]')).toEqual([]);
    expect(of('/v1/responses', { tools: [null, 1] })).toEqual([]);
    expect(of('/admin/v1/models/m', { upstreams: [{ api_key: 'upstream-1' }] })).toEqual(['upstream-1']);
  });

  test('nothing that is short or public', () => {
    const checks = new WireChecks(undefined);
    checks.secrets.learn(['demo', 'sk-tool', '***', 'application/json'].map((value) => ({ name: 'a', value })));
    checks.socketMessage('demo sk-tool *** application/json', false);
    expect(checks.violations.list).toEqual([]);
  });
});

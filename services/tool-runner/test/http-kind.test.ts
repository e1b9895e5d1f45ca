import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RegisteredHttpTool } from '@tailrace/registry';
import { registeredHttpTool } from '@tailrace/registry/fixtures';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { httpKind } from '../src/http/http-kind.ts';
import { startClosingServer } from './closing-server.ts';
import { CALL_ID, delivery, never, STEP_ID, sealer, TRACE, toolCaller, toolWork } from './steps.ts';

const MAX_OUTPUT_BYTES = 1_000;

interface Seen {
  request: IncomingMessage;
  body: string;
}

let server: Server;
let url: string;
let answer: (out: ServerResponse, seen: Seen) => void;
let requests: Seen[] = [];
const kind = httpKind(
  { connectMs: 1_000, maxOutputBytes: MAX_OUTPUT_BYTES, maxHeaderBytes: 2_000, connections: 4 },
  sealer,
);

beforeAll(async () => {
  server = createServer((request, out) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.once('end', () => {
      const seen = { request, body };
      requests.push(seen);
      answer(out, seen);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/look`;
});
afterAll(async () => {
  await kind.close();
  server.closeAllConnections();
  server.close();
});

const tool = (change: Partial<RegisteredHttpTool> = {}) =>
  registeredHttpTool('look', { url, timeoutMs: 10_000, ...change });

/** Calls the tool with these arguments, answered so. */
async function call(text: string, answering: typeof answer, of = tool(), change: Parameters<typeof toolWork>[2] = {}) {
  answer = answering;
  requests = [];
  const told = delivery();
  const { outcome, calls } = await toolCaller([kind], [of]).run(toolWork('look', text, change), told, never);
  return { outcome, measure: calls.at(-1), calls, said: told.said };
}

const ok =
  (text: string, type = 'application/json') =>
  (out: ServerResponse) => {
    out.writeHead(200, { 'content-type': type });
    out.end(text);
  };

describe('a call', () => {
  test('posts the arguments as they are, with the headers of the tool and of the step', async () => {
    const text = '{ "at":  1.0 }';
    const headers = { 'X-Own': sealer.seal('own') };
    const { outcome, measure } = await call(text, ok('{"seen": true}'), tool({ headers }));
    expect(outcome).toEqual({ result: { output: '{"seen": true}' } });
    const mark = { id: CALL_ID, startedAt: 0 };
    expect(measure).toEqual({ mark, tool: 'look', status: 200, durationMs: expect.any(Number), errorCode: null });
    const [seen, more] = requests;
    expect(more).toBeUndefined();
    expect(seen?.body).toBe(text);
    expect(seen?.request).toMatchObject({
      method: 'POST',
      url: '/look',
      headers: {
        'x-own': 'own',
        'content-type': 'application/json',
        'idempotency-key': STEP_ID,
        'x-client-request-id': CALL_ID,
        traceparent: expect.stringMatching(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`)),
      },
    });
  });

  test('its output is the body, whatever its type, empty included', async () => {
    expect((await call('{}', ok('Seen. ✓', 'text/plain'))).outcome).toEqual({ result: { output: 'Seen. ✓' } });
    expect((await call('{}', ok(''))).outcome).toEqual({ result: { output: '' } });
    const created = await call('{}', (out) => out.writeHead(201).end('made'));
    expect(created.outcome).toEqual({ result: { output: 'made' } });
  });

  test.each(['', '  \n'])('without arguments sends an empty object: "%s"', async (text) => {
    await call(text, ok('fine'));
    expect(requests.map((seen) => seen.body)).toEqual(['{}']);
  });
});

describe('a failure is an outcome', () => {
  test.each(['{', '[1]', '"text"', 'null', '7', '{"a":1} and more'])(
    'arguments that are no object: %s',
    async (text) => {
      const { outcome, calls, said } = await call(text, ok('never'));
      expect(outcome).toMatchObject({ error: { code: 'tool_invalid_arguments' } });
      expect({ calls, said, requests }).toEqual({ calls: [], said: [], requests: [] });
    },
  );

  test('arguments that do not fit the schema', async () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const { outcome, calls, said } = await call('{"town": "Bern"}', ok('never'), tool(), { parameters });
    const message = "The arguments do not match the schema of the tool: the object must have required property 'city'.";
    expect(outcome).toEqual({ error: { code: 'tool_arguments_mismatch', message } });
    expect({ calls, said, requests }).toEqual({ calls: [], said: [], requests: [] });
  });

  test('an argument that no URL can hold', async () => {
    const city = tool({ url: `${url}/{city}` });
    const { outcome, calls, said } = await call('{"city": "\\ud800"}', ok('never'), city);
    expect(outcome).toMatchObject({ error: { code: 'tool_arguments_mismatch' } });
    expect({ calls, said, requests }).toEqual({ calls: [], said: [], requests: [] });
  });

  test('a secret of its own that a tool repeats is blotted out, in outputs and in errors', async () => {
    const secret = tool({ headers: { authorization: sealer.seal('Bearer sk-very-secret') } });
    const said = 'I know sk-very-secret and Bearer sk-very-secret.';
    expect((await call('{}', ok(said, 'text/plain'), secret)).outcome).toEqual({
      result: { output: 'I know *** and ***.' },
    });
    const { outcome } = await call('{}', (out) => out.writeHead(401).end(said), secret);
    expect(JSON.stringify(outcome)).not.toContain('secret');
  });

  test('it is in no bytes either', async () => {
    const secret = tool({ headers: { 'x-session': sealer.seal('session-0123456789') } });
    const bytes = (text: string) => Buffer.concat([Buffer.of(0xff), Buffer.from(text)]);
    const answering = (out: ServerResponse) => out.end(bytes('session-0123456789.'));
    const { outcome } = await call('{}', answering, secret);
    const base64 = bytes(`${'*'.repeat(18)}.`).toString('base64');
    expect(outcome).toEqual({
      result: { output: JSON.stringify({ content_type: 'application/octet-stream', base64 }) },
    });
    const { outcome: failed } = await call('{}', (out) => answering(out.writeHead(500)), secret);
    expect(JSON.stringify(failed)).toContain(base64);
  });

  test('headers that are too large', async () => {
    const { outcome } = await call('{}', (out) => out.writeHead(200, { 'x-long': 'x'.repeat(3_000) }).end());
    expect(outcome).toMatchObject({ error: { code: 'tool_invalid_answer' } });
  });

  test('a redirect is not followed, wherever it leads', async () => {
    const { outcome } = await call('{}', (out) => out.writeHead(302, { location: '/elsewhere' }).end());
    expect(outcome).toMatchObject({ error: { code: 'tool_http_error' } });
    expect(requests).toHaveLength(1);
  });

  test.each([301, 400, 404, 500])('the status %i, with the beginning of the body', async (status) => {
    const { outcome, measure } = await call('{}', (out) => out.writeHead(status).end('because'.padEnd(900, '!')));
    const message = `The tool answered ${status}: ${'because'.padEnd(900, '!')}`;
    expect(outcome).toEqual({ error: { code: 'tool_http_error', message } });
    expect(measure).toMatchObject({ status, errorCode: 'tool_http_error' });
  });

  test('an output that is too large, declared or not', async () => {
    const text = 'x'.repeat(MAX_OUTPUT_BYTES + 1);
    const error = { error: { code: 'tool_output_too_large', message: expect.stringContaining('1000 bytes') } };
    expect((await call('{}', (out) => out.end(text))).outcome).toEqual(error);
    const chunked = await call('{}', (out) => {
      out.write(text.slice(0, 600));
      out.end(text.slice(600));
    });
    expect(chunked.outcome).toEqual(error);
    const most = await call('{}', (out) => out.end('x'.repeat(MAX_OUTPUT_BYTES)));
    expect(most.outcome).toEqual({ result: { output: 'x'.repeat(MAX_OUTPUT_BYTES) } });
  });

  test('no answer, or not the whole of it, in time', async () => {
    const error = { error: { code: 'tool_timeout', message: 'The tool did not answer within 100 ms.' } };
    const hasty = tool({ timeoutMs: 100 });
    expect((await call('{}', () => undefined, hasty)).outcome).toEqual(error);
    const half = await call('{}', (out) => out.write('half'), hasty);
    expect(half.outcome).toEqual(error);
    expect(half.measure).toMatchObject({ status: 200, errorCode: 'tool_timeout' });
    expect(half.measure?.durationMs).toBeGreaterThanOrEqual(95);
  });

  test('nobody there, and a connection that breaks', async () => {
    const closed = createServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const nobody = await call('{}', ok('never'), tool({ url: `http://127.0.0.1:${port}/` }));
    expect(nobody.outcome).toEqual({
      error: { code: 'tool_unreachable', message: 'The tool could not be reached: ECONNREFUSED.' },
    });
    const broken = await call('{}', (out) => out.destroy());
    expect(broken.outcome).toMatchObject({ error: { code: 'tool_unreachable' } });
  });

  test('a tool that is not registered any more', async () => {
    const { outcome, calls } = await toolCaller([kind], []).run(toolWork('look', '{}'), delivery(), never);
    const message = "The tool 'look' is not registered any more.";
    expect(outcome).toEqual({ error: { code: 'tool_unavailable', message } });
    expect(calls).toEqual([]);
  });
});

test('a process that stops gives the call up: it is nobody’s outcome', async () => {
  const stopping = new AbortController();
  const reason = new Error('stopping');
  answer = () => stopping.abort(reason);
  const running = toolCaller([kind], [tool()]).run(toolWork('look', '{}'), delivery(), stopping.signal);
  await expect(running).rejects.toBe(reason);
});

describe('a tool that may be called again', () => {
  const failing = (times: number, status: number) => {
    let left = times;
    return (out: ServerResponse) => {
      left -= 1;
      if (left >= 0) out.writeHead(status).end('not now');
      else out.end('done');
    };
  };

  test('is, when that may help, and each call is measured', async () => {
    for (const status of [429, 502, 503, 504]) {
      const { outcome, calls } = await call('{}', failing(2, status), tool({ idempotent: true }));
      expect(outcome).toEqual({ result: { output: 'done' } });
      expect(calls.map((each) => each.status)).toEqual([status, status, 200]);
      expect(new Set(requests.map(({ request }) => request.headers['idempotency-key'])).size).toBe(1);
    }
  });

  test('so often and no oftener', async () => {
    const { outcome, calls } = await call('{}', failing(99, 503), tool({ idempotent: true }));
    expect(outcome).toMatchObject({ error: { code: 'tool_http_error' } });
    expect(calls).toHaveLength(3);
  });

  test('is not, when its answer would be the same', async () => {
    const { calls } = await call('{}', failing(99, 400), tool({ idempotent: true }));
    expect(calls).toHaveLength(1);
  });

  test('unlike one that may not', async () => {
    const { calls } = await call('{}', failing(1, 503), tool({ idempotent: false }));
    expect(calls).toHaveLength(1);
  });
});

describe('the connections of a tool', () => {
  // With one at a time, the next call is sure to come to the connection that the last one has left.
  const single = httpKind(
    { connectMs: 1_000, maxOutputBytes: MAX_OUTPUT_BYTES, maxHeaderBytes: 2_000, connections: 1 },
    sealer,
  );
  afterAll(() => single.close());
  const run = (of: RegisteredHttpTool) => toolCaller([single], [of]).run(toolWork('look', '{}'), delivery(), never);

  test.each([
    ['at most once is called anyway', [false, false], [[200], [200]]],
    ['at least once is called again', [true, true], [[200], [null, 200]]],
    ['at most once has nothing to do with those of others', [true, false], [[200], [200]]],
  ])('are closed just as the next call comes: one that may be called %s', async (_, repeatable, statuses) => {
    const closing = await startClosingServer('"done"');
    const calls = [];
    for (const idempotent of repeatable) {
      const done = await run(tool({ url: closing.url, idempotent }));
      expect(done.outcome).toEqual({ result: { output: '"done"' } });
      calls.push(done.calls.map(({ status }) => status));
    }
    expect(calls).toEqual(statuses);
    expect(closing.answered).toEqual([1, 1]);
    await closing.close();
  });

  test('are kept for calls that may be repeated, and end with the answer of others', async () => {
    const ports: unknown[] = [];
    answer = (out, { request }) => {
      ports.push(request.socket.remotePort);
      out.end(request.headers.connection);
    };
    const said = async (idempotent: boolean) => (await run(tool({ idempotent }))).outcome;
    expect([await said(true), await said(true)]).toEqual(Array(2).fill({ result: { output: 'keep-alive' } }));
    expect(new Set(ports.splice(0)).size).toBe(1);
    expect([await said(false), await said(false)]).toEqual(Array(2).fill({ result: { output: 'close' } }));
    expect(new Set(ports).size).toBe(2);
  });
});

/** What becomes of a connection when its answer is over. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CallClock } from '../src/call-clock.ts';
import { DIALECTS } from '../src/dialect.ts';
import { chunksOf } from '../src/event-stream.ts';
import { UpstreamClient } from '../src/upstream.ts';

const TIMEOUTS = { connectMs: 5_000, firstTokenMs: 5_000, idleMs: 5_000, totalMs: 60_000 };

let server: Server;
let client: UpstreamClient;
let sockets: Socket[];
/** What the server does after `[DONE]`. */
let finish: (response: ServerResponse) => void;

beforeEach(async () => {
  sockets = [];
  client = new UpstreamClient({ maxBytes: 100_000, connections: 1 });
  server = createServer((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const data of ['{"n":1}', '{"n":2}', '[DONE]']) response.write(`data: ${data}\n\n`);
      finish(response);
    });
  });
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

/** The chunks of one answer; with `most`, no more of them than that are taken. */
async function ask(most = Number.POSITIVE_INFINITY): Promise<unknown[]> {
  const clock = new CallClock(TIMEOUTS, new AbortController().signal);
  const { port } = server.address() as AddressInfo;
  const target = { baseUrl: `http://127.0.0.1:${port}`, apiKey: null, model: 'm', dialect: DIALECTS.chat };
  const asked = { path: 'x', body: {}, headers: {}, accept: '*/*', connectMs: TIMEOUTS.connectMs };
  const never = () => false;
  const chunks: unknown[] = [];
  const answer = client.call(
    target,
    asked,
    clock,
    () => undefined,
    ({ body }) => chunksOf(body, never, () => undefined),
  );
  for await (const chunk of answer) {
    chunks.push(chunk);
    if (chunks.length === most) break;
  }
  clock.close();
  return chunks;
}

test.each([0, 30])('it serves again, though the end of the body comes %i ms after that of the answer', async (ms) => {
  finish = (response) => void setTimeout(() => response.end(), ms);
  for (let call = 0; call < 5; call += 1) expect(await ask()).toEqual([{ n: 1 }, { n: 2 }]);
  expect(sockets).toHaveLength(1);
});

test('a body that does not end is left after a while, which its answer does not wait for', async () => {
  finish = () => undefined;
  const began = performance.now();
  expect(await ask()).toHaveLength(2);
  expect(performance.now() - began).toBeLessThan(900);
  expect(sockets[0]?.destroyed).toBe(false);
  await expect.poll(() => sockets[0]?.destroyed, { timeout: 10_000 }).toBe(true);
});

test('so is one that goes on and on', async () => {
  finish = (response) => {
    const more = setInterval(() => response.write('x'.repeat(20_000)), 1);
    response.once('close', () => clearInterval(more));
  };
  expect(await ask()).toHaveLength(2);
  await expect.poll(() => sockets[0]?.destroyed, { timeout: 10_000 }).toBe(true);
});

test('who takes no more leaves it at once', async () => {
  finish = () => undefined;
  expect(await ask(1)).toEqual([{ n: 1 }]);
  await expect.poll(() => sockets[0]?.destroyed, { timeout: 900 }).toBe(true);
});

/** What is sent to a server beside requests, and what becomes of its answers. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { exchange } from '../src/mcp/mcp-exchange.ts';
import { mcpFetch, type Send } from '../src/mcp/mcp-fetch.ts';
import { never } from './steps.ts';

const NOTIFICATION = { method: 'POST', body: '{"jsonrpc":"2.0","method":"notifications/initialized"}' };

let server: Server;
let url: string;
let answer: (out: ServerResponse) => void;
const dispatcher = new Agent();
const send: Send = async (to, { method, headers, body }, signal) => {
  const { statusCode, body: answered } = await request(to, { dispatcher, method, headers, body, signal });
  return { status: statusCode, headers: {}, body: answered };
};

beforeAll(async () => {
  server = createServer((incoming, out) => {
    incoming.resume();
    answer(out);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(async () => {
  await dispatcher.destroy();
  server.closeAllConnections();
  server.close();
});

/** What nobody catches ends the process. */
async function uncaughtDuring(work: () => Promise<void>): Promise<unknown[]> {
  const uncaught: unknown[] = [];
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  try {
    await work();
    // Streams tell of their errors a turn later.
    for (let turns = 0; turns < 5; turns += 1) await new Promise(setImmediate);
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const each of others) process.on('uncaughtException', each);
  }
  return uncaught;
}

test.each([200, 202, 204, 205])('an answer %i to a message beside requests ends nothing but itself', async (status) => {
  answer = (out) => out.writeHead(status).end();
  const uncaught = await uncaughtDuring(async () => {
    const response = await mcpFetch(send, 1_000)(url, NOTIFICATION);
    expect(response.status).toBe(status);
    await response.body?.cancel();
  });
  expect(uncaught).toEqual([]);
});

const beside = (work: () => Promise<void>) => work();
const asked = (work: () => Promise<void>) =>
  exchange({ headers: {}, signal: never, answered: () => undefined }, async () => work());

test.each([
  ['a message beside requests', beside],
  ['a request, which nobody wants to read,', asked],
])(
  'an answer to %s is given up at once where it does not end',
  async (_, within) => {
    let closed: Promise<unknown> | undefined;
    answer = (out) => {
      closed = once(out, 'close');
      out.writeHead(202).write('and');
    };
    const uncaught = await uncaughtDuring(async () => {
      await within(async () => {
        const response = await mcpFetch(send, 1_000)(url, NOTIFICATION);
        await response.body?.cancel();
      });
      await closed;
    });
    expect(uncaught).toEqual([]);
  },
  5_000,
);

test('a message beside requests has its time, and its timer ends with its answer', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const prompt: Send = async () => ({ status: 202, headers: {}, body: Readable.from([]) });
  const said = mcpFetch(prompt, 1_000)(url, NOTIFICATION);
  expect(vi.getTimerCount()).toBe(1);
  await said;
  expect(vi.getTimerCount()).toBe(0);

  const silent: Send = (_, __, signal) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const waiting = mcpFetch(silent, 1_000)(url, NOTIFICATION);
  const refused = expect(waiting).rejects.toMatchObject({ name: 'TimeoutError' });
  await vi.advanceTimersByTimeAsync(10_000);
  await refused;
  expect(vi.getTimerCount()).toBe(0);
});

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../../harness/eventually.ts';
import { type StormFront, startStormFront } from './index.ts';

let behind: Server;
let front: StormFront;
/** Answers that are open. */
let open: ServerResponse[];
let asked: string[];

// Says what it was told; then, of a path with "stream", whatever the test writes into the open answer.
beforeEach(async () => {
  open = [];
  asked = [];
  behind = createServer((request, answer) => {
    request.setEncoding('utf8');
    let body = '';
    request.on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${body}`);
      answer.writeHead(201, { 'content-type': 'text/plain', 'x-two': ['a', 'b'] });
      answer.write(body);
      if (request.url?.includes('stream')) open.push(answer);
      else answer.end();
    });
  });
  behind.listen(0, '127.0.0.1');
  await once(behind, 'listening');
  front = await startStormFront({ to: { host: '127.0.0.1', port: (behind.address() as AddressInfo).port } });
});

afterEach(async () => {
  await front.close();
  behind.closeAllConnections();
  behind.close();
});

const ask = (path = '/', body = 'hello') => fetch(`http://127.0.0.1:${front.port}${path}`, { method: 'POST', body });

test('fair weather: method, path, bodies, status and headers pass', async () => {
  const answer = await ask('/path?a=1', 'something');
  expect([answer.status, answer.headers.get('x-two'), await answer.text()]).toEqual([201, 'a, b', 'something']);
  expect(asked).toEqual(['POST /path?a=1 something']);
  expect(front.struck).toBe(0);
});

test('each request goes on over a connection of its own: none is closed by the server just when it is used again', async () => {
  let connections = 0;
  behind.on('connection', () => {
    connections += 1;
  });
  for (const body of ['one', 'two']) expect(await (await ask('/', body)).text()).toBe(body);
  expect(connections).toBe(2);
});

test('what is asked below a path passes to whom that belongs, and meets the same storms', async () => {
  const beside = createServer((_, answer) => answer.end('beside'));
  beside.listen(0, '127.0.0.1');
  await once(beside, 'listening');
  const port = (server: Server) => (server.address() as AddressInfo).port;
  const host = '127.0.0.1';
  const both = await startStormFront({
    to: { host, port: port(behind) },
    paths: { '/mcp': { host, port: port(beside) } },
  });
  try {
    const told = async (path: string) =>
      (await fetch(`http://127.0.0.1:${both.port}${path}`, { method: 'POST' })).text();
    expect([await told('/mcp'), await told('/tools/echo')]).toEqual(['beside', '']);
    expect(asked).toEqual(['POST /tools/echo ']);
    both.storm({ kind: 'status', status: 500 });
    expect(await told('/mcp')).toContain('storm');
  } finally {
    await both.close();
    beside.closeAllConnections();
    beside.close();
  }
});

test('a stream passes as it comes, and its end on either side is noticed on the other', async () => {
  const reader = (await ask('/stream')).body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('hello');
  open[0]?.write('more');
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('more');
  await reader?.cancel();
  await eventually('the server hears that the client has gone', async () => open[0]?.destroyed);

  const second = await ask('/stream');
  open[1]?.destroy();
  await expect(second.text()).rejects.toThrow(TypeError);
});

test('a storm of errors: new requests get one, and the server none of them; open answers go on', async () => {
  const reading = await ask('/stream');
  front.storm({ kind: 'status', status: 429, retryAfterS: 1 });
  const answer = await ask();
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '1']);
  expect(await answer.json()).toMatchObject({ error: { type: 'server_error' } });
  open[0]?.end(' and the end');
  expect(await reading.text()).toBe('hello and the end');
  expect(asked.length).toBe(1);
  expect(front.struck).toBe(1);
  front.storm(undefined);
  expect((await ask()).status).toBe(201);
});

test('a storm of silence: nothing is answered, and the connections break when it is over', async () => {
  front.storm({ kind: 'hang' });
  const answer = ask();
  await Promise.all([
    expect(answer).rejects.toThrow(TypeError),
    eventually('the request has arrived', async () => front.struck === 1).then(() => front.storm(undefined)),
  ]);
  expect(asked).toEqual([]);
  expect((await ask()).status).toBe(201);
});

test('a storm of cuts: answers break after so many bytes, and the server is told', async () => {
  front.storm({ kind: 'cut', afterBytes: 8 });
  const answer = await ask('/stream');
  const reader = answer.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('hello');
  open[0]?.write('abcdef');
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('abc');
  await expect(reader?.read()).rejects.toThrow(TypeError);
  await eventually('the server hears of it', async () => open[0]?.destroyed);

  // An answer that is there at once is cut just so, and one that is shorter passes.
  await expect((await ask('/', 'more than eight')).text()).rejects.toThrow(TypeError);
  expect(await (await ask('/', 'short')).text()).toBe('short');
});

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../../harness/eventually.ts';
import { startProxy, type TcpProxy } from './index.ts';

let echo: Server;
/** The server's ends of its connections. */
let served: Socket[];
let proxy: TcpProxy;

beforeEach(async () => {
  served = [];
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    served.push(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await startProxy({ to: { host: '127.0.0.1', port: (echo.address() as AddressInfo).port } });
});

afterEach(async () => {
  await proxy.close();
  for (const socket of served) socket.destroy();
  echo.close();
});

/** A client's connection, and everything that it has heard. */
class Client {
  readonly socket: Socket;
  heard = '';
  error: NodeJS.ErrnoException | undefined;
  ended = false;

  constructor() {
    this.socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.setEncoding('utf8');
    this.socket.on('data', (text: string) => {
      this.heard += text;
    });
    this.socket.on('error', (error) => {
      this.error = error;
    });
    this.socket.on('end', () => {
      this.ended = true;
    });
  }

  /** Says something and waits until it has come back. */
  async hear(text: string): Promise<void> {
    const before = this.heard.length;
    this.socket.write(text);
    await eventually(`the echo of ${text.slice(0, 10)}`, async () => this.heard.length >= before + text.length);
    expect(this.heard.slice(before)).toBe(text);
  }

  reset(): Promise<unknown> {
    return eventually('the connection is reset', async () => this.error?.code === 'ECONNRESET');
  }
}

test('passes bytes, and the end of either direction', async () => {
  const client = new Client();
  await client.hear('hello');
  expect(proxy.connections).toBe(1);
  client.socket.end('bye');
  await eventually('the end comes back', async () => client.ended);
  expect(client.heard).toBe('hellobye');
  await eventually('the wire is gone', async () => proxy.connections === 0);
});

test('passes more than it holds to a client that reads late', async () => {
  const client = new Client();
  await client.hear('x');
  client.socket.pause();
  // More than the operating system's buffers on the way there and back.
  const much = 'abcdefgh'.repeat(8_000_000);
  client.socket.write(much);
  await eventually('the wire is full', async () => client.socket.writableLength > 0 && served[0]?.writableNeedDrain);
  client.socket.resume();
  await eventually('all of it is back', async () => client.heard.length === 1 + much.length);
  expect(client.heard.slice(1) === much).toBe(true);
});

test('a reset, and a server that is not there, reach the client', async () => {
  const client = new Client();
  await client.hear('hello');
  served[0]?.resetAndDestroy();
  await client.reset();
  echo.close();
  await once(echo, 'close');
  await new Client().reset();
});

test('half-open: both ends stay as they are and hear nothing, new connections too', async () => {
  const old = new Client();
  await old.hear('before');
  proxy.mode({ kind: 'half-open' });
  old.socket.write('lost');
  served[0]?.write('lost as well');
  const fresh = new Client();
  await once(fresh.socket, 'connect');
  fresh.socket.write('lost too');
  await eventually('everything has left', async () => [old, fresh].every(({ socket }) => socket.bytesWritten > 0));
  await eventually('both are open', async () => proxy.connections === 2);

  // A client that gives up is not noticed by its server.
  const leaving = old.socket;
  leaving.destroy();
  await once(leaving, 'close');
  // What has gone one way by now would have come.
  const probe = connect({ port: (echo.address() as AddressInfo).port, host: '127.0.0.1' });
  probe.write('there and back');
  await once(probe, 'data');
  probe.destroy();
  expect(served[0]?.readableEnded).toBe(false);
  expect(served[0]?.destroyed).toBe(false);
  expect(old.heard).toBe('before');
  expect(fresh.heard).toBe('');
  expect(fresh.error).toBeUndefined();

  proxy.mode({ kind: 'pass' });
  await fresh.reset();
  await eventually('the server hears of it', async () => served[0]?.destroyed);
  await new Client().hear('after');
});

test('slow: bytes take their time, and none is lost or out of order', async () => {
  const client = new Client();
  await client.hear('warm');
  proxy.mode({ kind: 'slow', bytesPerSecond: 20_000, latencyMs: 40 });
  const text = 'abcdefghij'.repeat(600);
  const began = performance.now();
  await client.hear(text);
  // 6,000 bytes there and back at 20,000 a second, in pieces that overlap; 40 ms each way.
  expect(performance.now() - began).toBeGreaterThan(360);
  client.socket.write(text);
  await eventually('some of it is back', async () => client.heard.length > 4 + text.length);
  expect(client.heard.length).toBeLessThan(4 + 2 * text.length);
  proxy.mode({ kind: 'pass' });
  await eventually('the rest comes at once', async () => client.heard.length === 4 + 2 * text.length);
  expect(client.heard).toBe(`warm${text}${text}`);
  await client.hear('fast');
});

test('cut: what is connected is reset, at both ends; what comes later passes', async () => {
  const client = new Client();
  await client.hear('hello');
  proxy.mode({ kind: 'cut' });
  await client.reset();
  await eventually('the server hears of it', async () => served[0]?.destroyed);
  expect(proxy.connections).toBe(0);
  await new Client().hear('again');
});

test('refuse: what is connected passes; what comes later is reset', async () => {
  const client = new Client();
  await client.hear('hello');
  proxy.mode({ kind: 'refuse' });
  await new Client().reset();
  await client.hear('still here');
  expect(served.length).toBe(1);
  proxy.mode({ kind: 'pass' });
  await new Client().hear('welcome');
});

test('closing resets everything, and may be done twice', async () => {
  const client = new Client();
  await client.hear('hello');
  await proxy.close();
  await client.reset();
  await proxy.close();
  const late = new Client();
  await eventually('nobody listens', async () => late.error?.code === 'ECONNREFUSED');
});

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import { WebSocketPeer } from '../src/websocket-peer.ts';

const MESSAGE = Buffer.alloc(64 * 1024, 'x');
const BUFFER_BYTES = 256 * 1024;
const CALM = { bufferBytes: BUFFER_BYTES, keepAliveMs: 60_000 };
const servers = new Set<WebSocketServer>();

afterEach(() => {
  for (const server of servers) {
    for (const socket of server.clients) socket.terminate();
    server.close();
  }
  servers.clear();
});

/** Both ends of a connection. */
async function pair(options: ClientOptions = {}): Promise<{ server: WebSocket; client: WebSocket }> {
  const listening = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  servers.add(listening);
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const connected = once(listening, 'connection');
  const client = new WebSocket(`ws://127.0.0.1:${port}`, options);
  await once(client, 'open');
  const [server] = (await connected) as [WebSocket];
  return { server, client };
}

describe('sending', () => {
  test('waits for a client that does not read, and keeps no more for it than it may', async () => {
    const { server, client } = await pair();
    const peer = new WebSocketPeer(server, CALM);
    client.pause();
    let sent = 0;
    let most = 0;
    const sending = (async () => {
      for (; sent < 1_000; sent += 1) {
        const going = peer.send(MESSAGE);
        most = Math.max(most, server.bufferedAmount);
        await going;
      }
    })();
    // What the system takes on the way is bounded: at some time it takes no more.
    let seen = -1;
    while (seen !== sent || server.bufferedAmount === 0) {
      seen = sent;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(sent).toBeLessThan(1_000);
    let got = 0;
    client.on('message', () => {
      got += 1;
      if (got === 1_000) client.emit('all');
    });
    const all = once(client, 'all');
    client.resume();
    await sending;
    await all;
    expect(most).toBeLessThanOrEqual(BUFFER_BYTES + 2 * MESSAGE.length);
  });

  test('to a client that has gone comes to an end', async () => {
    const { server, client } = await pair();
    const peer = new WebSocketPeer(server, CALM);
    client.pause();
    const sending = (async () => {
      while (server.readyState === server.OPEN) {
        await peer.send(MESSAGE);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    client.terminate();
    await sending;
    await peer.send('to nobody');
  });
});

describe('a client', () => {
  test('that does not answer is given up, one that takes what it is sent is not', async () => {
    const silent = await pair({ autoPong: false });
    const busy = await pair({ autoPong: false });
    const options = { ...CALM, keepAliveMs: 50 };
    const peer = new WebSocketPeer(busy.server, options);
    new WebSocketPeer(silent.server, options);
    const sending = setInterval(() => void peer.send('x'), 10);
    await once(silent.client, 'close');
    let pings = 0;
    while (pings < 5) {
      await once(busy.client, 'ping');
      pings += 1;
    }
    clearInterval(sending);
    expect(busy.server.readyState).toBe(WebSocket.OPEN);
    await once(busy.client, 'close');
  });

  test('that does not answer a goodbye is gone soon all the same', async () => {
    const { server, client } = await pair();
    const peer = new WebSocketPeer(server, CALM);
    client.pause();
    const closed = once(server, 'close');
    peer.close(1001);
    const [code] = (await closed) as [number];
    expect(code).toBe(1006);
  });
});

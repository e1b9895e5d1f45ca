/** A server that keeps its connections open after an answer, and closes one as soon as the next request arrives on it, unread. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** See the file's head. */
export interface ClosingServer {
  url: string;
  /** Requests that were answered, by connection. */
  readonly answered: readonly number[];
  close(): Promise<void>;
}

/** Starts a server that gives this answer to the first request of each connection. */
export async function startClosingServer(body: string): Promise<ClosingServer> {
  const answered: number[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const connection = answered.push(0) - 1;
    let request = '';
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // The other side may break off as well.
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      if (answered[connection] === 1) {
        socket.resetAndDestroy();
        return;
      }
      request += bytes.toString('latin1');
      if (!isWhole(request)) return;
      answered[connection] = 1;
      const type = 'content-type: application/json';
      socket.write(`HTTP/1.1 200 OK\r\n${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    answered,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function isWhole(request: string): boolean {
  const [head = '', ...rest] = request.split('\r\n\r\n');
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  return rest.length > 0 && rest.join('\r\n\r\n').length >= length;
}

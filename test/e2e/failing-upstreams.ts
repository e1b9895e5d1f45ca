/** A model's server that fails before its first token, in every way that there is. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';

const ROLE = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n';
const HALF = '{"object":"list","choices":[{"index":0,"mess';
const ERROR = { error: { message: 'out of memory', type: 'server_error', code: null, param: null } };

/** How a request ends, by the name of the way; what is not HTTP at all is in {@link OTHER_WAYS}. */
const HTTP_WAYS = {
  'a 500': (out: ServerResponse) => json(out, 500, ERROR),
  'a 429 with a long Retry-After': (out: ServerResponse) => json(out, 429, ERROR, { 'retry-after': '3600' }),
  'a 401': (out: ServerResponse) =>
    json(out, 401, { error: { message: 'Incorrect API key provided: sk-broken-secret' } }),
  'no head': () => undefined,
  'nothing after the head': (out: ServerResponse, streams: boolean) => begin(out, streams, ''),
  'a cut before the first token': (out: ServerResponse, streams: boolean) => {
    begin(out, streams, streams ? ROLE : HALF);
    setImmediate(() => out.destroy());
  },
  'an error in its answer': (out: ServerResponse, streams: boolean) => {
    if (!streams) json(out, 200, ERROR);
    else begin(out, streams, `${ROLE}data: ${JSON.stringify(ERROR)}\n\n`).end();
  },
  'no JSON': (out: ServerResponse, streams: boolean) => {
    begin(out, streams, streams ? `data: ${HALF}\n\n` : HALF).end();
  },
  'a first token that is late': (out: ServerResponse, streams: boolean) => {
    begin(out, streams, streams ? ROLE : ' ');
    const dribble = setInterval(() => out.write(streams ? `: wait\n\n${ROLE}` : ' '), 50);
    out.once('close', () => clearInterval(dribble));
  },
};

const OTHER_WAYS = ['a refused connection', 'a connection that is never made'] as const;

/** The ways, by their names. */
export type Way = keyof typeof HTTP_WAYS | (typeof OTHER_WAYS)[number];
export const WAYS: readonly Way[] = [...OTHER_WAYS, ...(Object.keys(HTTP_WAYS) as (keyof typeof HTTP_WAYS)[])];

/** One server for all of them. */
export interface FailingUpstreams {
  /** The root of the API that fails this way. */
  url(way: Way): string;
  /** How often it was asked; of connections that are never made, how often it was tried. */
  asked(way: Way): number;
  close(): Promise<void>;
}

/** Starts them on free ports of this machine. */
export async function startFailingUpstreams(): Promise<FailingUpstreams> {
  const counts = new Map<string, number>();
  const count = (way: string) => counts.set(way, (counts.get(way) ?? 0) + 1);
  const server = createServer((request, out) => {
    const way = decodeURIComponent(request.url?.split('/')[1] ?? '');
    count(way);
    streamsOf(request).then(
      (streams) => HTTP_WAYS[way as keyof typeof HTTP_WAYS](out, streams),
      (error: Error) => out.destroy(error),
    );
  });
  // Connections are taken, and their encryption is never answered.
  const sockets = new Set<Socket>();
  const silent = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => socket.destroy()));
    count('a connection that is never made');
  });
  const closed = createTcpServer();
  const [httpPort, silentPort, closedPort] = [await listen(server), await listen(silent), await listen(closed)];
  await stop(closed);
  return {
    url(way) {
      if (way === 'a refused connection') return `http://127.0.0.1:${closedPort}/v1`;
      if (way === 'a connection that is never made') return `https://127.0.0.1:${silentPort}/v1`;
      return `http://127.0.0.1:${httpPort}/${encodeURIComponent(way)}/v1`;
    },
    asked: (way) => counts.get(way) ?? 0,
    async close() {
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await Promise.all([stop(server), stop(silent)]);
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function stop(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  await closed;
}

async function streamsOf(request: IncomingMessage): Promise<boolean> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return (JSON.parse(Buffer.concat(parts).toString()) as { stream?: boolean }).stream === true;
}

function json(out: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  out.writeHead(status, { 'content-type': 'application/json', ...headers });
  out.end(JSON.stringify(body));
}

function begin(out: ServerResponse, streams: boolean, text: string): ServerResponse {
  out.writeHead(200, { 'content-type': streams ? 'text/event-stream' : 'application/json' });
  out.flushHeaders();
  if (text !== '') out.write(text);
  return out;
}

/** An HTTP server that webhooks are sent to. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request as it came. */
export interface Received {
  path: string;
  method: string;
  headers: Record<string, string>;
  body: string;
}

/** See the file's head. */
export interface Receiver {
  url: string;
  received: Received[];
  /** Answers what has come to `/held`. */
  release(status: number): void;
  /** Which deliveries have come to `path`, by their ids, in the order in which they came. */
  ids(path: string): string[];
  close(): Promise<void>;
}

/** What is done with a request, the `count`-th (from 1) of its `webhook-id`. */
type Behaviour = (response: ServerResponse, count: number, held: ServerResponse[]) => void;

/** By path; any other is a 404. */
const BEHAVIOURS: Record<string, Behaviour> = {
  '/works': (response) => response.writeHead(204).end(),
  '/fails-once': (response, count) => response.writeHead(count === 1 ? 500 : 200).end(),
  '/fails': (response) => response.writeHead(503).end(),
  '/gone': (response) => response.writeHead(410).end(),
  '/moved': (response) => response.writeHead(302, { location: '/works' }).end(),
  '/breaks': (response) => response.destroy(),
  '/silent': () => undefined,
  '/held': (response, _count, held) => held.push(response),
  '/drips': (response) => response.writeHead(200).write('never more than this'),
  '/talks': (response) => {
    response.writeHead(200);
    const piece = Buffer.alloc(65_536);
    const talk = () => {
      if (!response.destroyed) response.write(piece, talk);
    };
    talk();
  },
};

/** Starts a receiver on a free port of this machine. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const held: ServerResponse[] = [];
  const take = async (incoming: IncomingMessage, response: ServerResponse) => {
    const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
    const body = await text(incoming);
    const request = { path: incoming.url ?? '', method: incoming.method ?? '', headers, body };
    received.push(request);
    const count = received.filter((each) => each.headers['webhook-id'] === headers['webhook-id']).length;
    const behave = BEHAVIOURS[request.path];
    if (behave) behave(response, count, held);
    else response.writeHead(404).end();
  };
  const server = createServer((incoming, response) => {
    take(incoming, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    ids: (path) => received.filter((each) => each.path === path).map((each) => each.headers['webhook-id'] ?? ''),
    release(status) {
      for (const response of held.splice(0)) response.writeHead(status).end();
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

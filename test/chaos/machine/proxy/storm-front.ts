/** An HTTP server in front of another one, which passes everything on until there is a storm. */
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { Address } from './wire.ts';

/** What new requests meet. Answers that have begun go on. */
export type Storm =
  /** An error in place of an answer. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterS?: number }
  /** No answer; the connections are broken when the storm is over. */
  | { readonly kind: 'hang' }
  /** The connection breaks after so many bytes of the answer's body. */
  | { readonly kind: 'cut'; readonly afterBytes: number };

/** See the file's head. */
export interface StormFront {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** From now on; undefined: fair weather. */
  storm(storm: Storm | undefined): void;
  /** How many requests have met a storm so far. */
  readonly struck: number;
  /** Breaks everything and stops listening. Any number of calls. */
  close(): Promise<void>;
}

/** What stands behind a front. */
export interface StormFrontOptions {
  readonly to: Address;
  /** Who else gets the requests whose paths begin like this. */
  readonly paths?: Readonly<Record<string, Address>>;
}

/** Starts a front in fair weather. */
export async function startStormFront({ to: first, paths = {} }: StormFrontOptions): Promise<StormFront> {
  let storm: Storm | undefined;
  let struck = 0;
  const hanging = new Set<ServerResponse>();
  // A connection that was idle may be closed just when it is used again: in fair weather nothing breaks, on either side.
  const agent = new Agent({ keepAlive: false });
  const server = createServer((asked, answer) => {
    if (storm !== undefined) struck += 1;
    const [, to = first] = Object.entries(paths).find(([path]) => asked.url?.startsWith(path)) ?? [];
    switch (storm?.kind) {
      case undefined:
        return pass(asked, answer, { to, agent });
      case 'cut':
        return pass(asked, answer, { to, agent, afterBytes: storm.afterBytes });
      case 'status':
        return refuse(asked, answer, storm.status, storm.retryAfterS);
      case 'hang':
        asked.resume();
        hanging.add(answer);
        answer.once('close', () => hanging.delete(answer));
    }
  });
  // A long prompt on a slow wire takes its time.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    storm(next) {
      storm = next;
      if (next?.kind !== 'hang') for (const answer of hanging) answer.destroy();
    },
    get struck() {
      return struck;
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

function refuse(asked: IncomingMessage, answer: ServerResponse, status: number, retryAfterS: number | undefined): void {
  asked.resume();
  if (retryAfterS !== undefined) answer.setHeader('retry-after', retryAfterS);
  const error = { message: 'There is a storm.', type: 'server_error', code: null, param: null };
  answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}

interface Way {
  readonly to: Address;
  readonly agent: Agent;
  readonly afterBytes?: number;
}

function pass(asked: IncomingMessage, answer: ServerResponse, { to, agent, afterBytes }: Way): void {
  const { method, url: path, headers } = asked;
  const onward = request({ ...to, agent, method, path, headers });
  // Whichever end breaks, the other hears of it in the same way: by its connection.
  onward.on('error', () => answer.destroy());
  answer.on('close', () => onward.destroy());
  onward.on('response', (response) => {
    answer.writeHead(response.statusCode ?? 502, response.rawHeaders);
    // Events have to leave at once, and the head with them.
    answer.flushHeaders();
    if (afterBytes !== undefined) return breakAfter(afterBytes, response, answer);
    pipeline(response, answer, (error) => {
      if (error) answer.destroy();
    });
  });
  pipeline(asked, onward, (error) => {
    if (error) onward.destroy();
  });
}

function breakAfter(bytes: number, response: IncomingMessage, answer: ServerResponse): void {
  let left = bytes;
  response.on('data', (chunk: Buffer) => {
    if (left === 0) return;
    const piece = chunk.subarray(0, left);
    left -= piece.length;
    const isLast = left === 0;
    answer.write(piece, () => {
      if (isLast) answer.destroy();
    });
  });
  response.on('end', () => {
    if (left > 0) answer.end();
  });
}

/** A model's server whose every answer is written by the test. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that has come in. */
export interface Asked {
  path: string;
  body: Record<string, unknown>;
  response: ServerResponse;
}

/** See the file's head. */
export interface UpstreamServer {
  url: string;
  /** The requests so far. */
  asked: Asked[];
  close(): Promise<void>;
}

/** Starts a server on a free port of this machine. Each request gets the next of `answers`; the last one stays. */
export async function startUpstream(...answers: ((asked: Asked) => void)[]): Promise<UpstreamServer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    bodyOf(request).then(
      (text) => {
        const one = { path: request.url ?? '', body: JSON.parse(text) as Record<string, unknown>, response };
        asked.push(one);
        answers[Math.min(asked.length, answers.length) - 1]?.(one);
      },
      (error: Error) => response.destroy(error),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** An answer that streams these chunks and ends; `[DONE]` is a chunk. */
export const streams =
  (...chunks: (object | string)[]) =>
  ({ response }: Asked): void => {
    begin(response, chunks);
    response.end();
  };

/** An answer that streams these chunks and stays open. */
export const hangsAfter =
  (...chunks: (object | string)[]) =>
  ({ response }: Asked): void =>
    begin(response, chunks);

function begin(response: ServerResponse, chunks: (object | string)[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const chunk of chunks) response.write(`data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** Model servers that answer in a way of their own. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How they answer, by the name of the model. */
export const ANSWERS = {
  'no-done': (out: ServerResponse) => {
    stream(out, chunk({ content: 'Whole.' }), chunk({}, 'stop'));
    out.end();
  },
  'no-end': (out: ServerResponse) => {
    stream(out, chunk({ content: 'Half.' }));
    out.end();
  },
  'not-json': (out: ServerResponse) => {
    stream(out, '{"choices":');
    out.end();
  },
  'not-chunks': (out: ServerResponse) => {
    stream(out, JSON.stringify({ choices: 'none' }), '[DONE]');
    out.end();
  },
  'no-choice': (out: ServerResponse) => {
    stream(out, JSON.stringify({ choices: [null] }), '[DONE]');
    out.end();
  },
  'not-streaming': (out: ServerResponse) => {
    const message = { role: 'assistant', content: 'At once.' };
    out.writeHead(200, { 'content-type': 'application/json' });
    out.end(JSON.stringify({ object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }] }));
  },
  'plain-error': (out: ServerResponse) => {
    out.writeHead(400, { 'content-type': 'text/plain' });
    out.end('I am no OpenAI.');
  },
};

/** One server for all of them; the name of the model is the first part of the path. */
export interface StrangeServers {
  url: string;
  /** The model of each request, in order. */
  requests: string[];
  close(): Promise<void>;
}

/** Starts them on a free port of this machine. */
export async function startStrangeServers(): Promise<StrangeServers> {
  const requests: string[] = [];
  const server = createServer((request, out) => {
    const name = request.url?.split('/')[1] ?? '';
    requests.push(name);
    request.resume();
    request.once('end', () => ANSWERS[name as keyof typeof ANSWERS](out));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function stream(out: ServerResponse, ...data: string[]): void {
  if (!out.headersSent) out.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const each of data) out.write(`data: ${each}\n\n`);
}

function chunk(delta: Record<string, unknown>, finish_reason: string | null = null): string {
  return JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] });
}

/** A model server whose answers are known word for word, and that remembers what it was asked. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { eventually } from '../harness/eventually.ts';
import type { ChatBody } from './recorder.ts';

/** What it says when it says anything. */
export const SUMMARY = 'They spoke of the cobalt door.';

/** How it answers, by the name of the model that it is asked for. */
const ANSWERS: Readonly<Record<string, (out: ServerResponse) => void>> = {
  fine: (out) => say(out, SUMMARY),
  silent: (out) => say(out, ''),
  refusing: (out) => {
    out.writeHead(400, { 'content-type': 'application/json' });
    out.end(JSON.stringify({ error: { message: 'I would rather not.' } }));
  },
  hanging: () => undefined,
};

/** See the file's head. */
export interface SummaryModel {
  url: string;
  /** What was asked, oldest first: all whose text contains `text`. */
  asked(text: string): ChatBody[];
  /** Resolves when a request whose text contains `text` has been given up by its client. */
  abandoned(text: string): Promise<unknown>;
  close(): Promise<void>;
}

/** Starts one on a free port of this machine. */
export async function startSummaryModel(): Promise<SummaryModel> {
  const calls: { body: ChatBody; gone: boolean }[] = [];
  const server = createServer((request, out) => {
    answer(request, out, calls).catch((error: unknown) => out.destroy(error as Error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const withText = (text: string) => calls.filter(({ body }) => JSON.stringify(body).includes(text));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked: (text) => withText(text).map(({ body }) => body),
    abandoned: (text) => eventually('it was given up', async () => withText(text).some(({ gone }) => gone)),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  out: ServerResponse,
  calls: { body: ChatBody; gone: boolean }[],
): Promise<void> {
  const call = { body: (await json(request)) as ChatBody, gone: false };
  calls.push(call);
  out.once('close', () => {
    call.gone = !out.writableFinished;
  });
  ANSWERS[call.body.model]?.(out);
}

function say(out: ServerResponse, content: string): void {
  const usage = { prompt_tokens: 70, completion_tokens: 9, total_tokens: 79 };
  out.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const chunk of [
    { choices: [{ index: 0, delta: { content } }] },
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    { choices: [], usage },
  ]) {
    out.write(`data: ${JSON.stringify({ object: 'chat.completion.chunk', ...chunk })}\n\n`);
  }
  out.end('data: [DONE]\n\n');
}

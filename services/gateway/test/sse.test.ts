/** A stream of events as bytes on a connection. */
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Follower, LazyLogMessage } from '@tailrace/log';
import Fastify from 'fastify';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { GatewayContext } from '../src/context.ts';
import { streamLog } from '../src/sse.ts';
import { OpenStreams } from '../src/streams.ts';
import { completedRecord, RESPONSE_ID } from './stored.ts';

const KEEP_ALIVE = ': keep-alive\n\n';

const message = (number: number, text: string): LazyLogMessage => ({
  streamSeq: number + 1,
  meta: {
    first: number,
    last: text === '' ? number - 1 : number,
    cursor: 1,
    writer: 'w',
    step: null,
    seal: null,
    ended: null,
  },
  load: async () => Buffer.from(text),
  async *pieces() {
    yield Buffer.from(text);
  },
});

/** A server that streams what a follower tells; resolves to a reader of its chunks. */
async function streamed(keepAliveMs: number, events: () => ReturnType<Follower['events']>) {
  const app = Fastify();
  const follower = { events, waitingBytes: 0, detach: () => undefined, close: () => undefined } as Follower;
  const context = {
    streams: new OpenStreams(),
    abandonment: { watch: () => () => undefined },
    log: pino({ level: 'silent' }),
    keepAliveMs,
  } as unknown as GatewayContext;
  const { request, owner } = completedRecord(1);
  const response = { id: RESPONSE_ID, owner, request, correlationId: '0' };
  app.get('/', async (incoming, reply) => {
    await streamLog(context, incoming, reply, { response, follower, fresh: true, after: -1 });
    return reply;
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => app.close());
  const answer = await fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`);
  if (!answer.body) throw new Error('there is no stream');
  return answer.body.pipeThrough(new TextDecoderStream());
}

test('a log that grows without any event does not keep the connection silent', async () => {
  let heard = 0;
  const chunks = await streamed(200, async function* () {
    for (let seq = 1; heard < 3 && seq < 250; seq += 1) {
      yield { type: 'message', message: { ...message(0, ''), streamSeq: seq } };
      await sleep(20);
    }
  });
  // The connection is cut at the end: the log has none.
  const read = async () => {
    for await (const chunk of chunks) {
      expect(chunk).toBe(KEEP_ALIVE);
      heard += 1;
    }
  };
  await expect(read()).rejects.toThrow();
  expect(heard).toBeGreaterThanOrEqual(3);
});

test('a connection on which events come is told nothing else', async () => {
  let written = 0;
  const chunks = await streamed(400, async function* () {
    for (; written < 40; written += 1) {
      yield { type: 'message', message: message(written, `id: ${written}\n\n`) };
      await sleep(25);
    }
  });
  let text = '';
  const read = async () => {
    for await (const chunk of chunks) text += chunk;
  };
  await expect(read()).rejects.toThrow();
  expect(text).toBe(Array.from({ length: 40 }, (_, number) => `id: ${number}\n\n`).join(''));
});

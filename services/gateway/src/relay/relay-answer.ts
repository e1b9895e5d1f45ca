/** A model server's answer on its way out: bytes in, bytes out, at the client's pace. */
import type { errorPayload } from '@tailrace/protocol';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { GatewayContext } from '../context.ts';
import { processingMs } from '../processing-time.ts';
import { drained, stringHeaders } from '../sse.ts';
import { type RelayCall, RelayFailed } from './relay-call.ts';

const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  connection: 'keep-alive',
  'x-accel-buffering': 'no',
};
const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' };

/** Writes an answer that has begun, to its end or to where it breaks off: of that a stream's client is told, others are cut. */
export async function writeAnswer(
  context: Pick<GatewayContext, 'log'>,
  reply: FastifyReply,
  call: RelayCall,
  streams: boolean,
): Promise<void> {
  reply.hijack();
  const out = reply.raw;
  try {
    const headers = streams ? STREAM_HEADERS : JSON_HEADERS;
    out.writeHead(200, { ...stringHeaders(reply), 'openai-processing-ms': processingMs(reply), ...headers });
    out.socket?.setNoDelay(true);
    for await (const bytes of call.bytes()) {
      if (out.destroyed) return;
      if (!out.write(bytes)) await drained(out);
    }
    out.end();
  } catch (error) {
    if (!(error instanceof RelayFailed)) throw error;
    context.log.info({ code: error.failure.error.code, relay_id: call.id }, 'an answer broke off');
    if (streams) out.end(`data: ${JSON.stringify(envelopeOf(error))}\n\n`);
    else out.destroy();
  }
}

function envelopeOf({ failure }: RelayFailed): { error: { type: string; code: string; message: string } } {
  return { error: { type: 'server_error', code: failure.error.code, message: failure.error.message } };
}

/** An error as the model's server has told it; OpenAI's own leave some of it null. */
const told = z.object({
  error: z.object({
    message: z.string(),
    type: z.string().nullish(),
    code: z.string().nullish(),
    param: z.string().nullish(),
  }),
});

/** Tells what the model's server has said of a request that it takes for wrong, in its own words as far as they are known. */
export function sendRefusal(
  reply: FastifyReply,
  refusal: { status: number; body: string },
  otherwise: ReturnType<typeof errorPayload>,
): FastifyReply {
  const { message, type, code, param } = errorIn(refusal.body) ?? { message: otherwise.message };
  const error = {
    type: type ?? 'invalid_request_error',
    code: code ?? otherwise.code,
    message,
    param: param ?? null,
  };
  return reply.code(refusal.status).send({ error });
}

function errorIn(text: string): z.output<typeof told>['error'] | undefined {
  try {
    return told.safeParse(JSON.parse(text)).data?.error;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

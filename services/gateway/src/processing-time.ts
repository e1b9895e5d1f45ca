import type { FastifyReply } from 'fastify';

/** The time until an answer begins, in whole milliseconds: `openai-processing-ms`. */
export function processingMs(reply: FastifyReply): string {
  return String(Math.round(reply.elapsedTime));
}

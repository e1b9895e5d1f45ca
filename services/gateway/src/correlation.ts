import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';

const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The id that ties together everything done for a request: its trace id, or a new one. 32 hexadecimal digits. */
export function correlationOf(request: FastifyRequest): string {
  return request.id;
}

/** The trace id of a request's `traceparent` header (W3C Trace Context), or a new one. */
export function newCorrelation(headers: NodeJS.Dict<string | string[]>): string {
  const { traceparent } = headers;
  const match = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent) : null;
  return match?.[1] ?? randomBytes(16).toString('hex');
}

import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';

const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;
const REQUEST_ID = /^[\w.-]{1,128}$/;

/** The id that ties together everything done for a request: its trace id, or a new one. 32 hexadecimal digits. */
export function correlationOf(request: FastifyRequest): string {
  return request.id;
}

/** The trace id of a request's `traceparent` header (W3C Trace Context), or a new one. */
export function newCorrelation(headers: IncomingHttpHeaders): string {
  const { traceparent } = headers;
  const match = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent) : null;
  return match?.[1] ?? randomUUID().replaceAll('-', '');
}

/** The name of a request in `x-request-id`: the client's own where it has given one, else its correlation id. */
export function requestIdOf(headers: IncomingHttpHeaders, correlationId: string): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : correlationId;
}

import type { ServerResponse } from 'node:http';
import { errorEnvelope } from './error-envelope.ts';

/** Ends a response with a JSON body. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length, ...headers });
  response.end(body);
}

/** Ends a response with OpenAI's error envelope. */
export function sendError(
  response: ServerResponse,
  status: number,
  message: string,
  param: string | null = null,
): void {
  sendJson(response, status, errorEnvelope(status, message, param));
}

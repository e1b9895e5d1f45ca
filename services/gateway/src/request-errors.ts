/** Errors of the HTTP server itself in the terms of the catalogue, and requests that never became one. */
import type { Socket } from 'node:net';
import { ApiError, toEnvelope } from '@tailrace/protocol';
import type { FastifyError } from 'fastify';
import { newCorrelation } from './correlation.ts';

/** The catalogue's error for whatever was thrown. `bodyLimit` is in bytes. */
export function toApiError(error: unknown, bodyLimit: number): ApiError {
  if (error instanceof ApiError) return error;
  switch ((error as Partial<FastifyError>).code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ApiError('request_too_large', { limit: bodyLimit }, { cause: error });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ApiError('unsupported_media_type', {}, { cause: error });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new ApiError('invalid_json', { reason: 'it is not as long as its Content-Length says' }, { cause: error });
    case 'FST_ERR_BAD_URL':
      return invalid('url', 'it is not percent-encoded as it should be', error);
    default:
      return new ApiError('internal_error', {}, { cause: error });
  }
}

/** What is answered to bytes that are no request; undefined when there is nobody to answer. */
export function clientErrorAnswer(code: string | undefined): ApiError | undefined {
  switch (code) {
    case 'ECONNRESET':
      return undefined;
    case 'HPE_HEADER_OVERFLOW':
      return invalid('headers', 'they are too large');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return invalid('headers', 'they did not arrive in time');
    default:
      return invalid('request', 'it is not HTTP');
  }
}

/** Answers what the HTTP parser has given up, and closes the connection. */
export function handleClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  const failure = clientErrorAnswer(error.code);
  if (!failure || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = Buffer.from(JSON.stringify(toEnvelope(failure)));
  const head = [
    `HTTP/1.1 ${failure.status} Bad Request`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${body.length}`,
    `x-request-id: ${newCorrelation({})}`,
    'connection: close',
  ];
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]));
}

function invalid(param: string, reason: string, cause?: unknown): ApiError {
  return new ApiError('invalid_value', { param, reason }, { cause });
}

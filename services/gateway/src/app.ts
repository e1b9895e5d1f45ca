/** The HTTP side of a gateway: routes, and every error in the API's envelope. */
import { ApiError, toEnvelope } from '@tailrace/protocol';
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import type { GatewayContext } from './context.ts';
import { newCorrelation } from './correlation.ts';
import { handleCreate } from './create.ts';
import { handleRetrieve, handleSteps } from './retrieve.ts';

/** Bounds of the HTTP server. */
export interface AppOptions {
  bodyLimit: number;
  maxOpenRequests: number;
}

/** The server, not listening yet. */
export function createApp(context: GatewayContext, options: AppOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: options.bodyLimit,
    genReqId: (request) => newCorrelation(request.headers),
    // Responses take as long as their models do; a client that goes away is noticed by its socket.
    requestTimeout: 0,
    keepAliveTimeout: 72_000,
    // A gateway that stops says so itself, in the API's envelope.
    return503OnClosing: false,
  });
  app.removeContentTypeParser('text/plain');
  let open = 0;
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (!request.url.startsWith('/v1/')) return;
    if (context.streams.draining) {
      reply.header('connection', 'close');
      throw new ApiError('unavailable', { reason: 'this gateway is stopping' });
    }
    if (open >= options.maxOpenRequests) throw new ApiError('overloaded');
    open += 1;
    reply.raw.once('close', () => {
      open -= 1;
    });
  });
  app.setErrorHandler((error: unknown, request, reply) => {
    const failure = toApiError(error, options);
    const log = context.log.child({ correlation_id: request.id, method: request.method, url: request.url });
    if (failure.status >= 500) log.error({ err: error }, 'request failed');
    else log.info({ code: failure.code }, 'request refused');
    if (failure.retryAfter !== null) reply.header('retry-after', String(failure.retryAfter));
    return reply.code(failure.status).send(toEnvelope(failure));
  });
  app.setNotFoundHandler((request, reply) => {
    const failure = new ApiError('route_not_found', { method: request.method, path: request.url.split('?')[0] ?? '' });
    return reply.code(failure.status).send(toEnvelope(failure));
  });
  app.post('/v1/responses', (request, reply) => handleCreate(context, request, reply));
  app.get('/v1/responses/:id', (request, reply) => handleRetrieve(context, request, reply));
  app.get('/v1/responses/:id/steps', (request) => handleSteps(context, request));
  return app;
}

function toApiError(error: unknown, options: AppOptions): ApiError {
  if (error instanceof ApiError) return error;
  const code = (error as Partial<FastifyError>).code;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ApiError('request_too_large', { limit: options.bodyLimit }, { cause: error });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ApiError('unsupported_media_type', {}, { cause: error });
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new ApiError('invalid_json', { reason: (error as Error).message }, { cause: error });
    default:
      if (error instanceof SyntaxError)
        return new ApiError('invalid_json', { reason: error.message }, { cause: error });
      return new ApiError('internal_error', {}, { cause: error });
  }
}

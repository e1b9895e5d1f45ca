/** The HTTP side of a gateway: what holds for every request, and every error in the API's envelope. */
import { LimitReached } from '@tailrace/bus';
import { ApiError, toEnvelope } from '@tailrace/protocol';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type AdminOptions, addAdminRoutes } from './admin/routes.ts';
import type { GatewayContext } from './context.ts';
import { newCorrelation, requestIdOf } from './correlation.ts';
import { parseJsonBody } from './json-body.ts';
import { processingMs } from './processing-time.ts';
import { rateLimitHeaders } from './rate-limit-headers.ts';
import { addReference } from './reference/page.ts';
import { handleClientError, toApiError } from './request-errors.ts';
import { RouteMethods } from './route-methods.ts';
import { addRoutes } from './routes.ts';
import { addWebSocketRoute, isWebSocketUpgrade, type WebSocketOptions } from './websocket.ts';

/** Bounds of the HTTP server. */
export interface AppOptions {
  bodyLimit: number;
  maxOpenRequests: number;
  /** Left out, nobody administers anything here. */
  admin?: AdminOptions | undefined;
  webSocket: Pick<WebSocketOptions, 'maxMs' | 'memoryBytes' | 'bufferBytes' | 'keepAliveMs'>;
}

/** Levels of a body's objects and arrays. */
const BODY_DEPTH = 64;
/** Messages of a WebSocket that may wait for their turn. */
const QUEUED_TURNS = 16;
/** The request line is bounded by the size of all headers; what an id may be is the routes' to say. */
const MAX_PARAM_LENGTH = 16_384;
/** OpenAI's clients and gateways in between look at it. */
const API_VERSION = '2020-10-01';

/** The server, not listening yet. */
export function createApp(context: GatewayContext, options: AppOptions): FastifyInstance {
  const methods = new RouteMethods();
  const answerError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const failure = toApiError(error, request.routeOptions.bodyLimit);
    const log = context.log.child({ correlation_id: request.id, method: request.method, url: request.url });
    if (failure.status >= 500) log.error({ err: error }, 'request failed');
    else log.info({ code: failure.code }, 'request refused');
    if (failure instanceof LimitReached) reply.headers(rateLimitHeaders(failure.refusal.rateLimit));
    if (failure.retryAfter !== null) reply.header('retry-after', String(failure.retryAfter));
    // A parser that refuses a body ends its connection, lest more of it come. Of this one nothing more will.
    if (error instanceof ApiError && error.code === 'invalid_json' && request.raw.complete) {
      reply.removeHeader('connection');
    }
    return reply.code(failure.status).send(toEnvelope(failure));
  };
  const app = Fastify({
    bodyLimit: options.bodyLimit,
    genReqId: (request) => newCorrelation(request.headers),
    // Responses take as long as their models do; a client that goes away is noticed by its socket.
    requestTimeout: 0,
    keepAliveTimeout: 72_000,
    // A gateway that stops says so itself, in the API's envelope.
    return503OnClosing: false,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    http: { shouldUpgradeCallback: isWebSocketUpgrade },
    clientErrorHandler: handleClientError,
    frameworkErrors(error, request, reply) {
      setHeaders(request, reply);
      void answerError(error, request, reply);
    },
  });
  app.addHook('onRoute', ({ method, url, wsHandler }) => {
    // An upgrade is no method.
    if (wsHandler) return;
    for (const each of [method].flat()) methods.add(each, url);
  });
  addJsonParser(app);
  let open = 0;
  app.addHook('onRequest', async (request, reply) => {
    setHeaders(request, reply);
    const path = pathOf(request);
    if (path.startsWith('/v1/')) {
      if (context.streams.draining) {
        reply.header('connection', 'close');
        throw new ApiError('unavailable', { reason: 'this gateway is stopping' });
      }
      if (open >= options.maxOpenRequests) throw new ApiError('overloaded');
      open += 1;
      reply.raw.once('close', () => {
        open -= 1;
      });
    }
    // Before the body is read: what it holds makes no difference here.
    if (request.is404) throw notFound(request, reply, methods.of(path));
  });
  app.addHook('onSend', async (request, reply) => {
    if (pathOf(request).startsWith('/v1/')) reply.header('openai-processing-ms', processingMs(reply));
  });
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) => {
    throw notFound(request, reply, methods.of(pathOf(request)));
  });
  addWebSocketRoute(app, context, {
    ...options.webSocket,
    queuedTurns: QUEUED_TURNS,
    bodyLimit: options.bodyLimit,
    jsonDepth: BODY_DEPTH,
  });
  addRoutes(app, context);
  if (options.admin) addAdminRoutes(app, context, options.admin);
  addReference(app);
  return app;
}

function setHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', requestIdOf(request.headers, request.id));
  if (pathOf(request).startsWith('/v1/')) reply.header('openai-version', API_VERSION);
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? '';
}

function notFound(request: FastifyRequest, reply: FastifyReply, allowed: readonly string[]): ApiError {
  const { method } = request;
  const path = pathOf(request);
  if (allowed.length === 0) return new ApiError('route_not_found', { method, path });
  reply.header('allow', allowed.join(', '));
  return new ApiError('method_not_allowed', { method, path, allowed: allowed.join(', ') });
}

function addJsonParser(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, async (request: FastifyRequest, body: string) => {
    if (body === '' && request.routeOptions.config.bodyless) return undefined;
    return parseJsonBody(body, { depth: BODY_DEPTH });
  });
}

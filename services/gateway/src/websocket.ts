/** `GET /v1/responses` upgraded to a WebSocket: many responses on one connection, one after another. */
import type { IncomingMessage } from 'node:http';
import fastifyWebsocket from '@fastify/websocket';
import { ApiError } from '@tailrace/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { newCorrelation } from './correlation.ts';
import { eventNamesOf } from './event-names.ts';
import { ConversationMemory } from './websocket-memory.ts';
import { WebSocketPeer } from './websocket-peer.ts';
import { WebSocketSession } from './websocket-session.ts';
import { WebSocketTurns } from './websocket-turns.ts';

const PATH = '/v1/responses';

/** What bounds each connection. */
export interface WebSocketOptions {
  /** Milliseconds that it may be open. */
  maxMs: number;
  /** Bytes of what is remembered of responses that nobody stores. */
  memoryBytes: number;
  /** Messages that may wait for their turn; together they are no larger than one may be. */
  queuedTurns: number;
  /** Bytes of a message. */
  bodyLimit: number;
  /** Levels of objects and arrays inside each other in a message. */
  jsonDepth: number;
  /** Bytes of events that may wait for the client. */
  bufferBytes: number;
  /** Milliseconds between two looks whether the client is still there. */
  keepAliveMs: number;
}

/** Whether a request with `Upgrade` is one for a WebSocket that there is. Any other is a request like all. */
export function isWebSocketUpgrade({ method, url, headers }: IncomingMessage): boolean {
  const path = url?.split('?')[0];
  return method === 'GET' && path === PATH && headers.upgrade?.toLowerCase() === 'websocket';
}

/** Adds the route; see the file's head. What refuses a request refuses an upgrade: in HTTP, with the API's envelope. */
export function addWebSocketRoute(app: FastifyInstance, context: GatewayContext, options: WebSocketOptions): void {
  app.register((scope, _options, done) => {
    scope.register(fastifyWebsocket, {
      options: { maxPayload: options.bodyLimit, clientTracking: false, perMessageDeflate: false },
      // A drain closes each connection in its own time.
      preClose: (closed) => closed(),
      // Whatever it is, the library is closing the connection.
      errorHandler(error, _socket, request) {
        context.log.info({ err: error, correlation_id: request.id }, 'a connection broke');
      },
    });
    // A plugin of its own, so that what the library adds to routes is there.
    scope.register((inner, _none, added) => {
      addRoute(inner, context, options);
      added();
    });
    done();
  });
}

function addRoute(scope: FastifyInstance, context: GatewayContext, options: WebSocketOptions): void {
  scope.route({
    method: 'GET',
    url: PATH,
    exposeHeadRoute: false,
    async preValidation(request) {
      if (request.ws) authenticate(context.registry, request);
    },
    async onSend(request, reply) {
      // A connection whose upgrade was refused serves no other request.
      if (request.ws) reply.header('connection', 'close');
    },
    async handler(request, reply) {
      reply.header('allow', 'POST');
      throw new ApiError('method_not_allowed', { path: PATH, method: request.method, allowed: 'POST' });
    },
    wsHandler: (socket, request) => openSession(context, options, socket, request),
  });
}

function openSession(
  context: GatewayContext,
  options: WebSocketOptions,
  socket: WebSocket,
  request: FastifyRequest,
): void {
  const { streams, registry } = context;
  const peer = new WebSocketPeer(socket, options);
  const turns = new WebSocketTurns(context, {
    peer,
    memory: new ConversationMemory(options.memoryBytes),
    names: eventNamesOf(request.headers),
    jsonDepth: options.jsonDepth,
    admit() {
      // The key may have been taken back since the connection was opened.
      const key = authenticate(registry, request);
      context.limits.check(key);
      return key;
    },
    newCorrelation: () => newCorrelation(request.headers),
  });
  const limits = { maxMs: options.maxMs, queuedTurns: options.queuedTurns, queuedBytes: options.bodyLimit };
  const session = new WebSocketSession(socket, peer, limits, (text, signal) => turns.run(text, signal));
  const finished = streams.enter(
    () => session.cut(),
    () => session.drain(),
  );
  socket.once('close', finished);
}

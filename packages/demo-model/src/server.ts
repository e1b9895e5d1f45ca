import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Call, CallLog, keptArguments } from './call-log.ts';
import { chatDialect } from './chat-dialect.ts';
import { planToolCall } from './demo-tool.ts';
import type { Dialect } from './dialect.ts';
import { answerEmbeddings } from './embedding-endpoint.ts';
import { FaultCounter } from './fault-counter.ts';
import { sendError, sendJson } from './json-response.ts';
import { answerModel } from './model-endpoint.ts';
import { readJsonBody } from './request-body.ts';
import { responsesDialect } from './responses-dialect.ts';
import { answerToolCall } from './tool-endpoint.ts';

/** Where to listen; by default 127.0.0.1 and any free port. */
export interface DemoModelOptions {
  host?: string;
  /** 0: any. */
  port?: number;
}

/** A running demo model. */
export interface DemoModel {
  /** `http://host:port`; the model's base URL is this and `/v1`, the tools are under `/tools/`. */
  url: string;
  /** Stops listening and closes all connections at once, busy ones too. */
  close(): Promise<void>;
  /** The last 10,000 calls, oldest first. */
  calls(): Call[];
}

const dialects = new Map<string, Dialect>([
  ['POST /v1/chat/completions', chatDialect],
  ['POST /v1/responses', responsesDialect],
]);
const maxBodyBytes = 40 * 1024 * 1024;

/** Starts a demo model and its tools on one port. Rejects where the address cannot be had. */
export async function startDemoModel({ host = '127.0.0.1', port = 0 }: DemoModelOptions = {}): Promise<DemoModel> {
  const log = new CallLog();
  const faults = new FaultCounter();
  const nonce = randomBytes(4).toString('hex');
  let requests = 0;

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '/', 'http://demo-model');
    if (url === null) {
      sendError(response, 400, 'The request target is no URL.');
      return;
    }
    const { pathname, searchParams } = url;
    const route = `${request.method} ${pathname}`;
    const dialect = dialects.get(route);
    if (dialect !== undefined) {
      requests += 1;
      const identity = { nonce, number: requests };
      const call = log.begin('model', dialect.name, request.headers, response);
      const body = await readJsonBody(request, maxBodyBytes);
      if (body.ok) answerModel(dialect, body.value, response, call, identity, log, faults);
      else rejectBody(request, response, call, body);
    } else if (route === 'POST /v1/embeddings') {
      const call = log.begin('model', 'embeddings', request.headers, response);
      const body = await readJsonBody(request, maxBodyBytes);
      if (body.ok) answerEmbeddings(body.value, response, call, log, faults);
      else rejectBody(request, response, call, body);
    } else if (request.method === 'POST' && pathname.startsWith('/tools/')) {
      const tool = pathname.slice('/tools/'.length);
      const call = log.begin('tool', tool.slice(0, 200), request.headers, response);
      const body = await readJsonBody(request, maxBodyBytes);
      if (!body.ok) {
        rejectBody(request, response, call, body);
        return;
      }
      call.arguments = keptArguments(body.value, body.text);
      const plan = planToolCall(tool, body.value, searchParams.get('demo') === '1', maxBodyBytes);
      if (plan !== null) {
        answerToolCall(plan, body.text, response, call, log, faults);
      } else {
        log.end(call, 'error');
        sendError(response, 404, 'There is no such tool.');
      }
    } else if (route === 'GET /_calls') {
      sendJson(response, 200, log.list(searchParams.get('contains') ?? ''));
    } else if (route === 'DELETE /_calls') {
      log.clear();
      response.writeHead(204).end();
    } else if (route === 'GET /_stats') {
      sendJson(response, 200, log.stats());
    } else if (route === 'GET /v1/models') {
      sendJson(response, 200, {
        object: 'list',
        data: [{ id: 'demo', object: 'model', created: 0, owned_by: 'tailrace' }],
      });
    } else if (route === 'GET /healthz') {
      sendJson(response, 200, { status: 'ok' });
    } else {
      sendError(response, 404, `There is no ${request.method} ${pathname}.`);
    }
  }

  function rejectBody(
    request: IncomingMessage,
    response: ServerResponse,
    call: Call,
    { status, message }: { status: number; message: string },
  ): void {
    log.end(call, 'error');
    // What is left of the body is not read: the connection cannot serve another request.
    if (!request.complete) response.setHeader('connection', 'close');
    sendError(response, status, message);
  }

  const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
    route(request, response).catch((error: unknown) => {
      // A client that goes away while it sends its body is no error of the server.
      if (!request.readableAborted) console.error('demo model:', error);
      response.destroy();
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  const { port: actualPort } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
    calls: () => log.list(),
  };
}

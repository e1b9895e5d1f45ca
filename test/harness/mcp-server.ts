/** A real MCP server, made with the official SDK, that remembers what it was asked, and can be bad at everything. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListToolsRequestSchema,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';

/** A call of a tool, as it came in. */
export interface McpCall {
  tool: string;
  arguments: Record<string, unknown>;
  headers: IncomingHttpHeaders;
  /** Milliseconds since the epoch, with fractions. */
  at: number;
  /** When it was answered; undefined while it runs, and for ever if it was cut off. */
  endedAt?: number;
}

/** How a server is. */
export interface McpServerOptions {
  /** Answers as one JSON document instead of a stream. */
  json?: boolean;
  /** Knows no sessions. */
  stateless?: boolean;
  /** Headers without which it answers 401. */
  requires?: Record<string, string>;
  /** Milliseconds before it lists its tools. */
  listMs?: number;
  /** Tools on one page of the listing; all, unless said. */
  pageSize?: number;
  /** Further tools that do nothing, to be listed. */
  more?: number;
  port?: number;
  /** Where it listens: 127.0.0.1, unless said. */
  host?: string;
}

/** See the file's head. */
export interface TestMcpServer {
  /** The address of its endpoint. */
  url: string;
  port: number;
  calls: McpCall[];
  /** Requests for the list of tools, as calls of `tools/list`. */
  listings: McpCall[];
  /** The methods of all messages that came in, oldest first. */
  methods: string[];
  /** The headers of all requests, oldest first. */
  requests: IncomingHttpHeaders[];
  /** Where each request went, oldest first: the path with the query. It is answered wherever that is. */
  targets: string[];
  /** Forgets all sessions, as one that was started again. */
  forget(): void;
  /** Answers each request with this status, until it is told null. */
  refuseWith(status: number | null): void;
  /** Breaks off all connections. */
  cut(): void;
  close(): Promise<void>;
}

const object = (properties: Record<string, unknown>, required = Object.keys(properties)): Tool['inputSchema'] => ({
  type: 'object',
  properties: properties as Record<string, object>,
  required,
});

const TOOLS: Tool[] = [
  {
    name: 'echo',
    description: 'Says what it is told.',
    inputSchema: { ...object({ text: { type: 'string' } }), additionalProperties: false },
    annotations: { readOnlyHint: true },
  },
  { name: 'add', description: 'Adds.', inputSchema: object({ a: { type: 'number' }, b: { type: 'number' } }) },
  { name: 'fail', description: 'Fails, and says why.', inputSchema: object({ why: { type: 'string' } }) },
  {
    name: 'sleep',
    description: 'Takes its time.',
    inputSchema: object({ ms: { type: 'number' }, text: { type: 'string' } }, ['ms']),
  },
  { name: 'picture', description: 'Shows something.', inputSchema: object({}) },
  {
    name: 'measure',
    description: 'Answers with data.',
    inputSchema: object({}),
    outputSchema: { type: 'object', properties: { degrees: { type: 'number' } }, required: ['degrees'] },
  },
  { name: 'headers', description: 'Says what it was sent along.', inputSchema: object({}) },
  { name: 'crash', description: 'Breaks off the connection.', inputSchema: object({}) },
  { name: 'flood', description: 'Says a lot.', inputSchema: object({ bytes: { type: 'number' } }) },
];

const text = (said: string): CallToolResult => ({ content: [{ type: 'text', text: said }] });

/** Starts a server on a free port of this machine. */
export async function startMcpServer(options: McpServerOptions = {}): Promise<TestMcpServer> {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const calls: McpCall[] = [];
  const listings: McpCall[] = [];
  const methods: string[] = [];
  const requests: IncomingHttpHeaders[] = [];
  const targets: string[] = [];
  let refusing: number | null = null;
  const idle = Array.from(
    { length: options.more ?? 0 },
    (_, n): Tool => ({ name: `idle_${n}`, inputSchema: object({}) }),
  );
  const tools = [...TOOLS, ...idle];

  const http = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests.push(request.headers);
    targets.push(request.url ?? '');
    const body = request.method === 'POST' ? await readJson(request) : undefined;
    if (isMessage(body)) methods.push(body.method);
    const missing = Object.entries(options.requires ?? {}).some(([name, value]) => request.headers[name] !== value);
    if (refusing !== null || missing) {
      response.writeHead(refusing ?? 401, { 'content-type': 'text/plain' }).end(missing ? 'who are you?' : 'not now');
      return;
    }
    const transport = await transportOf(request, body);
    if (!transport) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('no such session');
      return;
    }
    await transport.handleRequest(request, response, body);
  }

  async function transportOf(
    { headers }: IncomingMessage,
    body: unknown,
  ): Promise<StreamableHTTPServerTransport | undefined> {
    const id = headers['mcp-session-id'];
    if (typeof id === 'string') return sessions.get(id);
    if (!options.stateless && !(isMessage(body) && body.method === 'initialize')) return undefined;
    const transport = new StreamableHTTPServerTransport({
      enableJsonResponse: options.json ?? false,
      ...(options.stateless
        ? {}
        : {
            sessionIdGenerator: randomUUID,
            onsessioninitialized: (made: string) => void sessions.set(made, transport),
          }),
    });
    // The SDK's types are not written for exact optional properties.
    await serverOf().connect(transport as Parameters<Server['connect']>[0]);
    return transport;
  }

  function serverOf(): Server {
    const server = new Server({ name: 'test', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler(ListToolsRequestSchema, async ({ params }, extra) => {
      const listing = begun('tools/list', {}, extra.requestInfo?.headers);
      listings.push(listing);
      if (options.listMs !== undefined) await sleep(options.listMs);
      const from = Number(params?.cursor ?? 0);
      const to = from + (options.pageSize ?? tools.length);
      listing.endedAt = now();
      return { tools: tools.slice(from, to), ...(to < tools.length ? { nextCursor: String(to) } : {}) };
    });
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
      const call = begun(params.name, params.arguments ?? {}, extra.requestInfo?.headers);
      calls.push(call);
      const result = await answer(call, extra.signal);
      call.endedAt = now();
      return result;
    });
    return server;
  }

  async function answer({ tool, arguments: args, headers }: McpCall, signal: AbortSignal): Promise<CallToolResult> {
    switch (tool) {
      case 'echo':
        return text(String(args.text));
      case 'add':
        return text(String(Number(args.a) + Number(args.b)));
      case 'fail':
        return { ...text(String(args.why)), isError: true };
      case 'sleep':
        await sleep(Number(args.ms), undefined, { signal });
        return text(String(args.text ?? 'awake'));
      case 'picture':
        return {
          content: [
            { type: 'text', text: 'Look:' },
            { type: 'image', data: 'aGk=', mimeType: 'image/png' },
          ],
        };
      case 'measure':
        return { content: [], structuredContent: { degrees: 21.5 } };
      case 'headers':
        return text(JSON.stringify(headers));
      case 'crash':
        http.closeAllConnections();
        return text('too late');
      case 'flood':
        return text('x'.repeat(Number(args.bytes)));
      default:
        return { ...text(`there is no ${tool}`), isError: true };
    }
  }

  const host = options.host ?? '127.0.0.1';
  http.listen(options.port ?? 0, host);
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/mcp`,
    port,
    calls,
    listings,
    methods,
    requests,
    targets,
    forget: () => sessions.clear(),
    refuseWith(status) {
      refusing = status;
    },
    cut: () => http.closeAllConnections(),
    async close() {
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
}

const now = () => performance.timeOrigin + performance.now();

function begun(tool: string, args: Record<string, unknown>, headers: unknown): McpCall {
  return { tool, arguments: args, headers: (headers ?? {}) as IncomingHttpHeaders, at: now() };
}

function isMessage(body: unknown): body is { method: string } {
  return typeof body === 'object' && body !== null && 'method' in body && typeof body.method === 'string';
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString());
}

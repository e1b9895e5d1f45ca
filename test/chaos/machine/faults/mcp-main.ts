/**
 * The MCP server of the workload, as a process: its endpoint, and beside it the calls that have come in, as the demo model
 * tells its own.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type McpCall, startMcpServer } from '../../../harness/mcp-server.ts';
import type { Call } from '../record/index.ts';

const HOST = '127.0.0.1';
const mcp = await startMcpServer({ host: HOST });
const calls = createServer(({ url }, answer) => {
  switch (url) {
    case '/_calls':
      return send(answer, 200, [...mcp.listings, ...mcp.calls].map(told));
    case '/_stats':
      return send(answer, 200, { model_calls: 0, tool_calls: mcp.listings.length + mcp.calls.length });
    default:
      return send(answer, 404, {});
  }
});
calls.listen(0, HOST);
await once(calls, 'listening');
const { port } = calls.address() as AddressInfo;
const stop = () => process.exit(0);
process.once('SIGTERM', stop);
process.once('disconnect', stop);
console.log(JSON.stringify({ listening: mcp.url, calls: `http://${HOST}:${port}` }));

function told({ tool, headers, at, endedAt }: McpCall): Call {
  return {
    kind: 'tool',
    name: tool,
    at,
    idempotency_key: headers['idempotency-key']?.toString() ?? null,
    client_request_id: headers['x-client-request-id']?.toString() ?? null,
    messages_count: null,
    text: null,
    ended: endedAt === undefined ? null : 'complete',
    closed_at: endedAt ?? null,
  };
}

function send(answer: ServerResponse, status: number, body: unknown): void {
  answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

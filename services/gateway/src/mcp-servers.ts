/** MCP servers as a request is given them: what the operator says, and what the client says, put together. Pure. */
import type { ApprovalPolicy, McpServer } from '@tailrace/chain';
import { ApiError, type McpToolParam } from '@tailrace/protocol';
import type { RegisteredMcpTool, Sealer } from '@tailrace/registry';

/** What hides the address and the headers of a server that a client has named: nothing else that is kept of it is secret. */
export type Hiding = Pick<Sealer, 'seal' | 'digest'>;

/** Headers that belong to the transport. */
const OWN_HEADERS = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'idempotency-key',
  'keep-alive',
  'last-event-id',
  'mcp-protocol-version',
  'mcp-session-id',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const MAX_HEADERS = 64;

/**
 * A server that a client has named by its address. Whether the address may be reached is seen when it is connected to.
 * @throws ApiError `invalid_value`, `mutually_exclusive`
 */
export function requestedServer(tool: McpToolParam, param: string, sealer: Hiding): McpServer {
  const headers = headersOf(tool, param);
  const { href, origin } = addressOf(tool.server_url ?? '', `${param}.server_url`);
  return {
    label: tool.server_label,
    description: tool.server_description ?? null,
    at: {
      url: sealer.seal(href),
      digest: sealer.digest(href),
      shown: href === `${origin}/` ? href : `${origin}/<redacted>`,
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, sealer.seal(value)])),
    },
    allowed_tools: allowedTools(tool),
    require_approval: policyOf(tool) ?? 'always',
    inner: false,
  };
}

/**
 * A server that the operator has registered. A client may use less of it, and ask to approve more.
 * @throws ApiError `invalid_value` for headers of the client's
 */
export function registeredServer(
  tool: RegisteredMcpTool,
  asked: { tool: McpToolParam; param: string } | null,
  inner: boolean,
): McpServer {
  if (asked && (Object.keys(asked.tool.headers ?? {}).length > 0 || (asked.tool.authorization ?? null) !== null)) {
    const param = `${asked.param}.${(asked.tool.authorization ?? null) === null ? 'headers' : 'authorization'}`;
    throw new ApiError(
      'invalid_value',
      { param, reason: 'a server without server_url has headers of its own' },
      { param },
    );
  }
  const wanted = asked && allowedTools(asked.tool);
  const policy = asked && policyOf(asked.tool);
  return {
    label: tool.name,
    description: asked?.tool.server_description ?? tool.description,
    at: { registered: tool.name },
    allowed_tools: wanted ? wanted.filter((name) => tool.allowedTools?.includes(name) ?? true) : tool.allowedTools,
    require_approval: policy ? stricter(tool.requireApproval, policy) : tool.requireApproval,
    inner,
  };
}

/** A policy that exempts only what both exempt. */
function stricter(a: ApprovalPolicy, b: ApprovalPolicy): ApprovalPolicy {
  if (a === 'always' || b === 'always') return 'always';
  if (a === 'never') return b;
  if (b === 'never') return a;
  const always = new Set([...a.always, ...b.always]);
  return { always: [...always], never: a.never.filter((name) => b.never.includes(name) && !always.has(name)) };
}

function policyOf({ require_approval: policy }: McpToolParam): ApprovalPolicy | null {
  if (policy === null || policy === undefined || typeof policy === 'string') return policy ?? null;
  return { always: policy.always?.tool_names ?? [], never: policy.never?.tool_names ?? [] };
}

function allowedTools({ allowed_tools: allowed }: McpToolParam): string[] | null {
  return Array.isArray(allowed) ? allowed : (allowed?.tool_names ?? null);
}

function addressOf(text: string, param: string): URL {
  const url = URL.parse(text);
  const reason =
    url?.protocol !== 'http:' && url?.protocol !== 'https:'
      ? 'it has to be a URL that begins with http: or https:'
      : url.username !== '' || url.password !== ''
        ? 'it has a user name or a password in it'
        : null;
  if (!url || reason !== null) throw new ApiError('invalid_value', { param, reason: reason ?? '' }, { param });
  return url;
}

function headersOf({ headers, authorization }: McpToolParam, param: string): Record<string, string> {
  const entries = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const);
  const refuse = (reason: string) => {
    const at = `${param}.headers`;
    return new ApiError('invalid_value', { param: at, reason }, { param: at });
  };
  const own = entries.find(([name]) => OWN_HEADERS.has(name));
  if (own) throw refuse(`${own[0]} is not the client's to set`);
  const names = new Set(entries.map(([name]) => name));
  if (names.size < entries.length) throw refuse('a name is there twice');
  if (names.size > MAX_HEADERS) throw refuse(`at most ${MAX_HEADERS} are allowed`);
  if ((authorization ?? null) === null) return Object.fromEntries(entries);
  if (names.has('authorization')) {
    const at = `${param}.authorization`;
    throw new ApiError('mutually_exclusive', { param: at, other: `${param}.headers.authorization` }, { param: at });
  }
  return { ...Object.fromEntries(entries), authorization: `Bearer ${authorization}` };
}

/** Where secrets stand: in a stack's configuration and environment, and in what its clients send. */
import type { LocalConfig } from '@tailrace/cli';
import { resolveEnvironment } from '@tailrace/registry';
import { parsed } from './json-text.ts';

/** Something that nobody but those who have said it may see. */
export interface Secret {
  /** Whose it is, for those who read that it was found. */
  name: string;
  value: string;
}

/** A request, as far as it may carry secrets. */
export interface CarryingRequest {
  path: string;
  /** The header of that name. */
  authorization: string | null;
  /** The whole body, or a message of a WebSocket. */
  body: string;
}

/** Fields whose text is a secret, wherever an operator writes them. */
const OPERATORS: ReadonlySet<string> = new Set(['key', 'api_key', 'secret', 'authorization']);
/** Fields whose text is a secret in an MCP server that a client names. */
const CLIENTS: ReadonlySet<string> = new Set(['authorization']);
/** Described by an operator for everybody to see. */
const OPEN: ReadonlySet<string> = new Set(['parameters']);

/** The secrets of a configuration, with its references to the environment resolved. */
export function secretsOfConfig(config: LocalConfig, environment: NodeJS.ProcessEnv): Secret[] {
  return [...within(resolveEnvironment(config, environment), 'the configuration', OPERATORS)];
}

/** The secrets that an environment holds for a stack's services, by their variables' names. */
export function secretsOfEnvironment(environment: Readonly<Record<string, string>>): Secret[] {
  return Object.entries(environment).flatMap(([name, value]) =>
    /KEY|SECRET|TOKEN|PASSWORD/.test(name) && !/^\d+$/.test(value) ? [{ name, value }] : [],
  );
}

/** The password of a server's address, if there is one. */
export function secretsOfAddress(name: string, url: string): Secret[] {
  const { password } = new URL(url);
  return password === '' ? [] : [{ name: `the password of ${name}`, value: decodeURIComponent(password) }];
}

/** What a request carries that must not come back: its key, an MCP server's headers, what an operator registers. */
export function secretsOfRequest({ path, authorization, body }: CarryingRequest): Secret[] {
  const own = authorization === null ? [] : [{ name: 'the key of a request', value: authorization }];
  const value = parsed(body);
  if (path.startsWith('/admin/')) return [...own, ...within(value, 'an admin request', OPERATORS)];
  const { tools } = (value ?? {}) as { tools?: unknown };
  const servers = Array.isArray(tools) ? tools.filter((tool) => tool?.type === 'mcp') : [];
  return [...own, ...within(servers, 'the MCP servers of a request', CLIENTS)];
}

/** The key that an answer of the admin API makes: the one place where it may stand. */
export function madeKey(method: string, path: string, status: number, body: string): string | undefined {
  if (method !== 'POST' || status >= 300 || !/^\/admin\/v1\/keys(?:\/.+\/rotate)?$/.test(path)) return undefined;
  const { key } = (parsed(body) ?? {}) as { key?: unknown };
  return typeof key === 'string' ? key : undefined;
}

function* within(value: unknown, place: string, fields: ReadonlySet<string>): Generator<Secret> {
  if (typeof value !== 'object' || value === null) return;
  for (const [field, each] of Object.entries(value)) {
    const name = `${place}, ${field}`;
    if (OPEN.has(field)) continue;
    if (typeof each === 'string' && fields.has(field)) yield { name, value: each };
    else if (field === 'headers') yield* everyText(each, name);
    else yield* within(each, Array.isArray(value) ? `${place}[${field}]` : name, fields);
  }
}

function* everyText(value: unknown, place: string): Generator<Secret> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, each] of Object.entries(value)) {
    if (typeof each === 'string') yield { name: `${place}, ${name}`, value: each };
  }
}

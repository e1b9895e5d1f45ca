/** What can be said of an entry on the command line. Pure but for the files that values name. */
import { readFile } from 'node:fs/promises';
import type { ParseArgsOptionsConfig } from 'node:util';
import { resolveEnvironment, type Section } from '@tailrace/registry';

/** How the text of a flag becomes a value. */
type FlagKind = 'text' | 'number' | 'flag' | 'list' | 'numbers' | 'pairs' | 'json' | 'jsons' | 'word or json';

/** One flag: what it is for, and the field that it fills. */
export interface Flag {
  kind: FlagKind;
  /** The field, from the outermost in. */
  field: readonly (string | number)[];
  help: string;
}

/** An entry as it is sent. */
export type EntryBody = Record<string, unknown>;

/** What was said cannot be. */
export class FlagError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FlagError';
  }
}

const flag = (kind: FlagKind, field: string | readonly (string | number)[], help: string): Flag => ({
  kind,
  field: typeof field === 'string' ? [field] : field,
  help,
});

const group = flag('list', 'groups', 'who may use it; may be given more than once');
const limits = {
  'requests-per-minute': flag('number', ['limits', 'requests_per_minute'], 'requests that begin in a minute'),
  'tokens-per-minute': flag('number', ['limits', 'tokens_per_minute'], 'tokens that are used in a minute'),
  concurrency: flag('number', ['limits', 'concurrency'], 'responses under way at once'),
};

/** The flags of each section. */
export const FLAGS: Readonly<Record<Section, Readonly<Record<string, Flag>>>> = {
  keys: {
    owner: flag('text', 'owner', 'whose it is (the name of the key)'),
    group: flag('list', 'groups', 'a group that it is in; may be given more than once'),
    'expires-at': flag('text', 'expires_at', 'a time, as in 2030-01-31T00:00:00Z'),
    key: flag('text', 'key', 'a secret of your own; left out, one is made'),
    ...limits,
  },
  groups: limits,
  models: {
    group,
    concurrency: flag('number', 'concurrency', 'calls at once, in all processes together'),
    'context-window': flag('number', 'context_window', 'tokens of a request and its answer'),
    'failover-status': flag('numbers', 'failover_statuses', 'a status after which another upstream is asked'),
    upstream: flag('jsons', 'upstreams', 'an upstream as JSON; may be given more than once'),
    'base-url': flag('text', ['upstreams', 0, 'base_url'], 'of the only upstream: its API, as in https://host/v1'),
    'api-key': flag('text', ['upstreams', 0, 'api_key'], 'of the only upstream'),
    'upstream-model': flag('text', ['upstreams', 0, 'model'], 'of the only upstream: its own name of the model'),
    dialect: flag('text', ['upstreams', 0, 'dialect'], 'of the only upstream: chat or responses'),
  },
  tools: {
    kind: flag('text', 'kind', 'http, agent or mcp'),
    group,
    'for-model': flag('list', 'models', 'a model that is offered it (all); may be given more than once'),
    description: flag('text', 'description', 'what the model is told of it'),
    parameters: flag('json', 'parameters', 'JSON schema of the arguments'),
    'timeout-ms': flag('number', 'timeout_ms', 'of one call'),
    concurrency: flag('number', 'concurrency', 'calls at once, in all processes together'),
    'calls-per-minute': flag('number', 'calls_per_minute', 'calls that begin in a minute'),
    'client-override': flag('flag', 'client_override', 'clients may define a function of this name'),
    url: flag('text', 'url', 'of an http tool or an MCP server'),
    header: flag('pairs', 'headers', 'as name=value; may be given more than once'),
    idempotent: flag('flag', 'idempotent', 'a call may be repeated'),
    method: flag('text', 'method', 'of an http tool (POST)'),
    'arguments-in': flag('text', 'arguments_in', 'of an http tool: body or query'),
    model: flag('text', 'model', 'of an agent'),
    instructions: flag('text', 'instructions', 'of an agent'),
    tool: flag('list', 'tools', 'a tool of an agent; may be given more than once'),
    'max-iterations': flag('number', 'max_iterations', 'of an agent: its model calls'),
    'max-tool-calls': flag('number', 'max_tool_calls', 'of an agent'),
    'allowed-tool': flag('list', 'allowed_tools', 'a tool of an MCP server that may be called (all)'),
    'require-approval': flag('word or json', 'require_approval', 'of an MCP server: always, never, or JSON'),
  },
  webhooks: {
    url: flag('text', 'url', 'where it is'),
    secret: flag('text', 'secret', 'whsec_ and at least 24 bytes in base64'),
    event: flag('list', 'events', 'an event that it is told of (all); may be given more than once'),
    owner: flag('list', 'owners', 'whose responses are told (all); may be given more than once'),
  },
};

/** The flags of a section for `util.parseArgs`. */
export function parseOptions(section: Section): ParseArgsOptionsConfig {
  return Object.fromEntries(
    Object.entries(FLAGS[section]).map(([name, { kind }]) => [
      name,
      kind === 'flag'
        ? { type: 'boolean' }
        : { type: 'string', multiple: ['list', 'numbers', 'pairs', 'jsons'].includes(kind) },
    ]),
  );
}

/** What `util.parseArgs` makes of flags. */
export type FlagValues = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

/**
 * An entry with what the flags say of it: `none` empties a field, `@file` is what a file says, and `${env:NAME}` what the
 * environment says.
 * @throws FlagError
 */
export async function withFlags(
  entry: EntryBody,
  section: Section,
  values: FlagValues,
  environment: NodeJS.ProcessEnv,
): Promise<EntryBody> {
  const changed: EntryBody = structuredClone(entry);
  for (const [name, { kind, field }] of Object.entries(FLAGS[section])) {
    const said = values[name];
    if (said === undefined) continue;
    const texts = [said].flat().map(String);
    const contents = await Promise.all(texts.map((text) => contentOf(name, text, environment)));
    setField(changed, field, typeof said === 'boolean' ? said : fieldValue(name, kind, contents), name);
  }
  return changed;
}

async function contentOf(name: string, text: string, environment: NodeJS.ProcessEnv): Promise<string> {
  try {
    const content = text.startsWith('@') ? (await readFile(text.slice(1), 'utf8')).replace(/\r?\n$/, '') : text;
    return resolveEnvironment(content, environment) as string;
  } catch (error) {
    throw new FlagError(`--${name}: ${error instanceof Error ? error.message : error}`);
  }
}

function fieldValue(name: string, kind: FlagKind, texts: readonly string[]): unknown {
  const [text = ''] = texts;
  if (texts.length === 1 && text === 'none') return null;
  switch (kind) {
    case 'number':
      return numberOf(name, text);
    case 'numbers':
      return texts.map((each) => numberOf(name, each));
    case 'list':
      return [...texts];
    case 'pairs':
      return Object.fromEntries(texts.map((each) => pairOf(name, each)));
    case 'json':
      return jsonOf(name, text);
    case 'jsons':
      return texts.map((each) => jsonOf(name, each));
    case 'word or json':
      return text.startsWith('{') ? jsonOf(name, text) : text;
    default:
      return text;
  }
}

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number)) throw new FlagError(`--${name} has to be a number, or none.`);
  return number;
}

/** The value may be a secret: it is not repeated. */
function pairOf(name: string, text: string): [string, string] {
  const at = text.indexOf('=');
  if (at <= 0) throw new FlagError(`--${name} has to be a name and a value, as in name=value.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function jsonOf(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new FlagError(`--${name} has to be JSON.`);
    throw error;
  }
}

function setField(entry: EntryBody, field: readonly (string | number)[], value: unknown, name: string): void {
  const [first, ...rest] = field;
  if (first === undefined) return;
  if (rest.length === 0) {
    entry[first] = value;
    return;
  }
  if (typeof rest[0] !== 'number') {
    const inner = { ...(entry[first] as EntryBody | undefined) };
    entry[first] = inner;
    setField(inner, rest, value, name);
    return;
  }
  const list = Array.isArray(entry[first]) ? [...(entry[first] as EntryBody[])] : [{}];
  if (list.length !== 1)
    throw new FlagError(`--${name} is for a model with one upstream; say them all with --upstream.`);
  const inner = { ...list[0] };
  entry[first] = [inner];
  setField(inner, rest.slice(1), value, name);
}

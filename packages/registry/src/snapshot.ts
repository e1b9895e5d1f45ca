/** What may be used, by whom, and where it is: the registry as every service sees it. */
import { createHash } from 'node:crypto';
import type { Sealed } from './seal.ts';

/** How much may be used in a minute, and at once, in all processes together. Null: as much as comes. */
export interface UsageLimits {
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  /** Responses and relayed calls under way. */
  concurrency: number | null;
}

/** An API key. The key itself is nowhere: its hash finds it. */
export interface RegisteredKey {
  name: string;
  /** SHA-256 of the key, in hexadecimal. Keys are long and random, so a plain hash cannot be searched. */
  hash: string;
  /** The hash before the last rotation, for as long as it is still honoured. */
  previous: { hash: string; expiresAt: number } | null;
  /** Who owns what is made with this key. */
  owner: string;
  groups: string[];
  /** Milliseconds since the epoch; null for a key that does not expire. */
  expiresAt: number | null;
  limits: UsageLimits;
}

/** What all keys of a group may use together. A group without an entry is not limited. */
export interface RegisteredGroup {
  name: string;
  limits: UsageLimits;
}

/** What an upstream charges for a million tokens, in the operator's currency. */
export interface TokenPrice {
  input: number;
  /** Of input that the upstream had cached. */
  cachedInput: number;
  output: number;
}

/** Bounds of one call, in milliseconds; null for what the model-callers are configured with. */
export interface UpstreamTimeouts {
  connectMs: number | null;
  firstTokenMs: number | null;
  idleMs: number | null;
  totalMs: number | null;
}

/** Where a model is served. */
export interface RegisteredUpstream {
  /** The root of a chat-completions API, as in `https://host/v1`. */
  baseUrl: string;
  apiKey: Sealed | null;
  /** The upstream's own name of the model. */
  model: string;
  /** The API that it speaks. */
  dialect: 'chat' | 'responses';
  /** Upstreams with a lower number are asked first. */
  priority: number;
  /** Its share of the calls among those of the same priority. */
  weight: number;
  timeouts: UpstreamTimeouts;
  /** The most calls at once of one model-caller; null for no limit but the model's. */
  concurrency: number | null;
  price: TokenPrice | null;
}

/** A model that clients can name. */
export interface RegisteredModel {
  name: string;
  groups: string[];
  /** The most calls at once, in all processes together. */
  concurrency: number;
  /** Tokens that fit into one request and its answer; null when nobody has said. */
  contextWindow: number | null;
  /** The statuses that another upstream is asked after. */
  failoverStatuses: number[];
  upstreams: RegisteredUpstream[];
}

interface ToolBase {
  name: string;
  groups: string[];
  /** The models that are offered the tool; null for all. */
  models: string[] | null;
  description: string | null;
  /** Milliseconds for one call; of an agent, for all that it does. */
  timeoutMs: number;
  /** The most calls at once, in all processes together. */
  concurrency: number;
  /** The most calls that begin in a minute, in all processes together; null for no limit. */
  callsPerMinute: number | null;
  /** Whether a client may define a function of the same name, which is then the client's to run. */
  clientOverride: boolean;
}

/** A tool that the server runs by an HTTP request. */
export interface RegisteredHttpTool extends ToolBase {
  kind: 'http';
  parameters: Record<string, unknown> | null;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** May hold `{name}`, which stands for an argument. */
  url: string;
  /** Where the arguments go that the URL does not take. */
  argumentsIn: 'body' | 'query';
  /** Values are sealed. */
  headers: Record<string, Sealed>;
  /** Whether a call may be repeated when it is not known whether it took effect. */
  idempotent: boolean;
}

/** A tool that is a model with tools of its own: a sub-loop below the call. */
export interface RegisteredAgentTool extends ToolBase {
  kind: 'agent';
  parameters: Record<string, unknown> | null;
  model: string;
  instructions: string | null;
  /** Names of registered tools. */
  tools: string[];
  /** The most model calls of one run; null for the installation's own bound. */
  maxIterations: number | null;
  /** The most tool calls of one run; null for no bound of its own. */
  maxToolCalls: number | null;
}

/** Which calls of an MCP server a client has to approve first. */
export type ApprovalPolicy = 'always' | 'never' | { always: string[]; never: string[] };

/** A server of tools that speaks the Model Context Protocol over Streamable HTTP. */
export interface RegisteredMcpTool extends ToolBase {
  kind: 'mcp';
  url: string;
  /** Values are sealed. */
  headers: Record<string, Sealed>;
  /** The tools of the server that may be called; null for all. */
  allowedTools: string[] | null;
  requireApproval: ApprovalPolicy;
  idempotent: boolean;
}

/** What the server runs when a model calls it. */
export type RegisteredTool = RegisteredHttpTool | RegisteredAgentTool | RegisteredMcpTool;

/** Where the ends of responses are told. Only orchestrators know of it: it is not in the snapshot. */
export interface RegisteredWebhook {
  name: string;
  url: string;
  secret: Sealed;
  events: string[];
  /** Whose responses are told; null for everybody's. */
  owners: string[] | null;
}

/** The whole registry at one moment. */
export interface RegistrySnapshot {
  keys: RegisteredKey[];
  groups: RegisteredGroup[];
  models: RegisteredModel[];
  tools: RegisteredTool[];
}

/** The hash by which a key is found. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** A snapshot, indexed for the questions that services ask of it. */
export class RegistryView {
  readonly models: ReadonlyMap<string, RegisteredModel>;
  readonly tools: ReadonlyMap<string, RegisteredTool>;
  /** Those that are limited. */
  readonly groups: ReadonlyMap<string, RegisteredGroup>;
  readonly #keys: ReadonlyMap<string, Secret>;

  constructor(snapshot: RegistrySnapshot) {
    this.#keys = new Map(snapshot.keys.flatMap(secretsOf));
    this.groups = new Map(snapshot.groups.map((group) => [group.name, group]));
    this.models = new Map(snapshot.models.map((model) => [model.name, model]));
    this.tools = new Map(snapshot.tools.map((tool) => [tool.name, tool]));
  }

  /**
   * The key that a client sent, at a time in milliseconds since the epoch. Found by the hash of what was sent, which nobody
   * can choose: the time it takes tells nothing of any key.
   */
  key(secret: string, now: number): RegisteredKey | 'expired' | undefined {
    const found = this.#keys.get(hashKey(secret));
    if (!found) return undefined;
    return now < found.expiresAt ? found.key : 'expired';
  }

  /** The model of that name, if one of these groups may use it. */
  modelFor(groups: readonly string[], name: string): RegisteredModel | undefined {
    const model = this.models.get(name);
    return model && sharesGroup(model.groups, groups) ? model : undefined;
  }

  /** The tools that a request of these groups to this model is given, in the order of their names. */
  toolsFor(groups: readonly string[], model: string): RegisteredTool[] {
    return [...this.tools.values()]
      .filter((tool) => sharesGroup(tool.groups, groups) && (tool.models === null || tool.models.includes(model)))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

/** A secret that opens a key, until a time. */
interface Secret {
  key: RegisteredKey;
  expiresAt: number;
}

function secretsOf(key: RegisteredKey): [string, Secret][] {
  const expiresAt = key.expiresAt ?? Number.POSITIVE_INFINITY;
  const { previous } = key;
  const current: [string, Secret] = [key.hash, { key, expiresAt }];
  if (!previous) return [current];
  return [[previous.hash, { key, expiresAt: Math.min(expiresAt, previous.expiresAt) }], current];
}

function sharesGroup(a: readonly string[], b: readonly string[]): boolean {
  return a.some((group) => b.includes(group));
}

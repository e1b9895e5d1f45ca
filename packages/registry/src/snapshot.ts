/** What may be used, by whom, and where it is: the registry as every service sees it. */
import { createHash } from 'node:crypto';
import type { Sealed } from './seal.ts';

/** An API key. The key itself is nowhere: its hash finds it. */
export interface RegisteredKey {
  name: string;
  /** SHA-256 of the key, in hexadecimal. Keys are long and random, so a plain hash cannot be searched. */
  hash: string;
  /** Who owns what is made with this key. */
  owner: string;
  groups: string[];
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
}

/** A model that clients can name. */
export interface RegisteredModel {
  name: string;
  groups: string[];
  /** The most calls at once, in all processes together. */
  concurrency: number;
  /** Tokens that fit into one request and its answer; null when nobody has said. */
  contextWindow: number | null;
  upstreams: RegisteredUpstream[];
}

/** A tool that the server runs by an HTTP request. */
export interface RegisteredTool {
  name: string;
  kind: 'http';
  groups: string[];
  /** The models that are offered the tool; null for all. */
  models: string[] | null;
  description: string | null;
  parameters: Record<string, unknown> | null;
  url: string;
  /** Values are sealed. */
  headers: Record<string, Sealed>;
  timeoutMs: number;
  /** The most calls at once, in all processes together. */
  concurrency: number;
  /** Whether a call may be repeated when it is not known whether it took effect. */
  idempotent: boolean;
  /** Whether a client may define a function of the same name, which is then the client's to run. */
  clientOverride: boolean;
}

/** The whole registry at one moment. */
export interface RegistrySnapshot {
  keys: RegisteredKey[];
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
  readonly #keys: ReadonlyMap<string, RegisteredKey>;

  constructor(snapshot: RegistrySnapshot) {
    this.#keys = new Map(snapshot.keys.map((key) => [key.hash, key]));
    this.models = new Map(snapshot.models.map((model) => [model.name, model]));
    this.tools = new Map(snapshot.tools.map((tool) => [tool.name, tool]));
  }

  /** The key that a client sent. Found by its hash, so the time it takes tells nothing of any key. */
  key(secret: string): RegisteredKey | undefined {
    return this.#keys.get(hashKey(secret));
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

function sharesGroup(a: readonly string[], b: readonly string[]): boolean {
  return a.some((group) => b.includes(group));
}

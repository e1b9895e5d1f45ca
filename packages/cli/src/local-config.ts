/** A registry configuration as it is written in a `TAILRACE_CONFIG` file: lists of named entries. */
export type LocalConfig = Readonly<Record<string, unknown>>;

const LISTS = ['keys', 'groups', 'models', 'tools', 'webhooks'] as const;

/** What the configuration of a stack on one machine is made of. */
export interface LocalSettings {
  readonly apiKey: string;
  /** `http://host:port` of the demo model; left out, there is none. */
  readonly demoModelUrl?: string | undefined;
}

/** The key a stack prints, and the demo model with its two tools. */
export function localConfig({ apiKey, demoModelUrl }: LocalSettings): LocalConfig {
  const keys = [{ name: 'local', key: apiKey, groups: ['everyone'] }];
  if (demoModelUrl === undefined) return { keys };
  const upstream = { base_url: `${demoModelUrl}/v1`, api_key: 'demo', model: 'demo' };
  return {
    keys,
    models: [{ name: 'demo', groups: ['everyone'], concurrency: 64, upstreams: [upstream] }],
    tools: [
      demoTool(demoModelUrl, 'get_weather', 'The weather in a city right now.'),
      demoTool(demoModelUrl, 'get_time', 'The local time in a city right now.'),
    ],
  };
}

/** A model behind somebody's own chat-completions server, under the name it has there. */
export function upstreamConfig(upstream: { baseUrl: string; apiKey?: string | undefined; model: string }): LocalConfig {
  const { baseUrl, apiKey, model } = upstream;
  const target = { base_url: baseUrl, ...(apiKey === undefined ? {} : { api_key: apiKey }), model };
  return { models: [{ name: model, groups: ['everyone'], concurrency: 64, upstreams: [target] }] };
}

/**
 * Both configurations in one: of two entries of one list with the same name, `preferred`'s stays.
 *
 * @throws Error when a list is something else.
 */
export function mergeConfig(base: LocalConfig, preferred: LocalConfig): LocalConfig {
  const merged: Record<string, unknown> = { ...base, ...preferred };
  for (const list of LISTS) {
    const first = entriesOf(preferred, list);
    const names = new Set(first.map(nameOf));
    const all = [...first, ...entriesOf(base, list).filter((entry) => !names.has(nameOf(entry)))];
    if (all.length > 0) merged[list] = all;
  }
  return merged;
}

/** The names of a configuration's models, in their order. */
export function modelNames(config: LocalConfig): string[] {
  return entriesOf(config, 'models')
    .map(nameOf)
    .filter((name) => typeof name === 'string');
}

function demoTool(url: string, name: string, description: string): LocalConfig {
  return {
    name,
    kind: 'http',
    groups: ['everyone'],
    models: ['demo'],
    description,
    parameters: {
      type: 'object',
      properties: { city: { type: 'string', description: 'Name of the city' } },
      required: ['city'],
    },
    url: `${url}/tools/${name}?demo=1`,
    timeout_ms: 30_000,
    concurrency: 8,
    idempotent: true,
    // Examples everywhere define a get_weather of their own.
    client_override: true,
  };
}

function entriesOf(config: LocalConfig, list: (typeof LISTS)[number]): readonly unknown[] {
  const entries = config[list] ?? [];
  if (!Array.isArray(entries)) throw new Error(`the configuration's "${list}" is not a list`);
  return entries;
}

function nameOf(entry: unknown): unknown {
  return typeof entry === 'object' && entry !== null && 'name' in entry ? entry.name : undefined;
}

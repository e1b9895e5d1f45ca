import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseRegistryConfig, type RegistryConfig, RegistryConfigError, readRegistryConfig } from '../src/index.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'registry-config-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** The entries of a file with this text. */
async function read(text: string) {
  return entriesOf(await readConfig(text));
}

function entriesOf(config: RegistryConfig) {
  return Object.fromEntries(Object.entries(config).map(([section, list]) => [section, list.map(({ entry }) => entry)]));
}

async function readConfig(text: string): Promise<RegistryConfig> {
  const file = join(directory, 'tailrace.yaml');
  await writeFile(file, text);
  return readRegistryConfig(file, { UPSTREAM_KEY: 'sk-from-the-environment', EMPTY: '' });
}

async function refusalOf(text: string): Promise<string> {
  try {
    await read(text);
  } catch (error) {
    if (error instanceof RegistryConfigError) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

/** `\${env:NAME}`. */
const reference = (name: string) => `\${env:${name}}`;

const WHOLE = `
keys:
  - name: alice
    key: tr-alice-0123456789abcdef
    owner: team
    groups: [staff]
    expires_at: 2030-01-01T00:00:00Z
    limits: {requests_per_minute: 60, tokens_per_minute: 10000, concurrency: 3}
groups:
  - {name: staff, limits: {tokens_per_minute: 1000000}}
models:
  - name: org/small:7b
    groups: [staff]
    concurrency: 4
    context_window: 8192
    failover_statuses: [429, 503]
    upstreams:
      - base_url: http://127.0.0.1:9001/v1
        api_key: sk-1
        model: upstream-name
        dialect: responses
        priority: 1
        weight: 3
        concurrency: 2
        timeouts: {connect_ms: 100, first_token_ms: 200, idle_ms: 300, total_ms: 400}
        price: {input: 1.5, cached_input: 0.15, output: 6}
tools:
  - name: get_weather
    kind: http
    groups: [staff]
    models: [org/small:7b]
    description: Weather of a city
    parameters: {type: object, properties: {city: {type: string}}, required: [city]}
    method: GET
    url: https://example.org/weather/{city}
    arguments_in: query
    headers: {authorization: Bearer x}
    timeout_ms: 1000
    concurrency: 2
    calls_per_minute: 30
    idempotent: true
    client_override: true
  - name: researcher
    kind: agent
    model: org/small:7b
    instructions: Look it up.
    tools: [get_weather]
    max_iterations: 3
    max_tool_calls: 5
  - name: tracker
    kind: mcp
    url: https://example.org/mcp
    headers: {x-token: t}
    allowed_tools: [find]
    require_approval: {always: {tool_names: [remove]}, never: {tool_names: [find]}}
webhooks:
  - name: billing
    url: https://example.org/ended
    secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
    events: [response.completed]
    owners: [alice]
`;

const NO_LIMITS = { requests_per_minute: null, tokens_per_minute: null, concurrency: null };
const TOOL = {
  groups: ['everyone'],
  models: null,
  description: null,
  calls_per_minute: null,
  client_override: false,
};

describe('a configuration file', () => {
  test('says who may use what, and where it is', async () => {
    expect(await read(WHOLE)).toEqual({
      keys: [
        {
          name: 'alice',
          key: 'tr-alice-0123456789abcdef',
          owner: 'team',
          groups: ['staff'],
          expires_at: '2030-01-01T00:00:00Z',
          limits: { requests_per_minute: 60, tokens_per_minute: 10_000, concurrency: 3 },
        },
      ],
      groups: [{ name: 'staff', limits: { ...NO_LIMITS, tokens_per_minute: 1_000_000 } }],
      models: [
        {
          name: 'org/small:7b',
          groups: ['staff'],
          concurrency: 4,
          context_window: 8192,
          failover_statuses: [429, 503],
          upstreams: [
            {
              base_url: 'http://127.0.0.1:9001/v1',
              api_key: 'sk-1',
              model: 'upstream-name',
              dialect: 'responses',
              priority: 1,
              weight: 3,
              concurrency: 2,
              timeouts: { connect_ms: 100, first_token_ms: 200, idle_ms: 300, total_ms: 400 },
              price: { input: 1.5, cached_input: 0.15, output: 6 },
            },
          ],
        },
      ],
      tools: [
        {
          name: 'get_weather',
          kind: 'http',
          groups: ['staff'],
          models: ['org/small:7b'],
          description: 'Weather of a city',
          parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
          method: 'GET',
          url: 'https://example.org/weather/{city}',
          arguments_in: 'query',
          headers: { authorization: 'Bearer x' },
          timeout_ms: 1000,
          concurrency: 2,
          calls_per_minute: 30,
          idempotent: true,
          client_override: true,
        },
        {
          ...TOOL,
          name: 'researcher',
          kind: 'agent',
          parameters: null,
          model: 'org/small:7b',
          instructions: 'Look it up.',
          tools: ['get_weather'],
          max_iterations: 3,
          max_tool_calls: 5,
          timeout_ms: 600_000,
          concurrency: 64,
        },
        {
          ...TOOL,
          name: 'tracker',
          kind: 'mcp',
          url: 'https://example.org/mcp',
          headers: { 'x-token': 't' },
          allowed_tools: ['find'],
          require_approval: { always: { tool_names: ['remove'] }, never: { tool_names: ['find'] } },
          timeout_ms: 60_000,
          concurrency: 8,
          idempotent: false,
        },
      ],
      webhooks: [
        {
          name: 'billing',
          url: 'https://example.org/ended',
          secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
          events: ['response.completed'],
          owners: ['alice'],
        },
      ],
    });
  });

  test('may leave out what has a default', async () => {
    expect(
      await read(`
keys: [{name: a, key: tr-alice-0123456789abcdef}]
groups: [{name: g}]
models: [{name: m, upstreams: [{base_url: 'http://h', model: x}]}]
tools: [{name: t, kind: http, url: 'http://h'}, {name: a, kind: agent, model: m}, {name: s, kind: mcp, url: 'http://h'}]
webhooks: [{name: w, url: 'http://h', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}]`),
    ).toEqual({
      keys: [
        { name: 'a', key: 'tr-alice-0123456789abcdef', groups: ['everyone'], expires_at: null, limits: NO_LIMITS },
      ],
      groups: [{ name: 'g', limits: NO_LIMITS }],
      models: [
        {
          name: 'm',
          groups: ['everyone'],
          concurrency: 64,
          context_window: null,
          failover_statuses: [401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504, 529],
          upstreams: [
            {
              base_url: 'http://h',
              api_key: null,
              model: 'x',
              dialect: 'chat',
              priority: 0,
              weight: 1,
              concurrency: null,
              timeouts: { connect_ms: null, first_token_ms: null, idle_ms: null, total_ms: null },
              price: null,
            },
          ],
        },
      ],
      tools: [
        {
          ...TOOL,
          name: 't',
          kind: 'http',
          parameters: null,
          method: 'POST',
          url: 'http://h',
          headers: {},
          timeout_ms: 30_000,
          concurrency: 8,
          idempotent: false,
        },
        {
          ...TOOL,
          name: 'a',
          kind: 'agent',
          parameters: null,
          model: 'm',
          instructions: null,
          tools: [],
          max_iterations: null,
          max_tool_calls: null,
          timeout_ms: 600_000,
          concurrency: 64,
        },
        {
          ...TOOL,
          name: 's',
          kind: 'mcp',
          url: 'http://h',
          headers: {},
          allowed_tools: null,
          require_approval: 'never',
          timeout_ms: 60_000,
          concurrency: 8,
          idempotent: false,
        },
      ],
      webhooks: [
        {
          name: 'w',
          url: 'http://h',
          secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
          events: ['response.completed', 'response.failed', 'response.incomplete', 'response.cancelled'],
          owners: null,
        },
      ],
    });
  });

  test('keeps beside each entry what was written of it, without defaults', async () => {
    const { models } = await readConfig("models: [{name: m, upstreams: [{base_url: 'http://h', model: x}]}]");
    expect(models[0]?.written).toBe('{"name":"m","upstreams":[{"base_url":"http://h","model":"x"}]}');
  });

  test('may take its secrets from the environment, whole or in part', async () => {
    const { models, tools } = await read(`
models: [{name: m, upstreams: [{base_url: 'http://h', model: x, api_key: '\${env:UPSTREAM_KEY}'}]}]
tools: [{name: t, kind: http, url: 'http://h', headers: {authorization: 'Bearer \${env:UPSTREAM_KEY}'}}]`);
    expect(models).toMatchObject([{ upstreams: [{ api_key: 'sk-from-the-environment' }] }]);
    expect(tools).toMatchObject([{ headers: { authorization: 'Bearer sk-from-the-environment' } }]);
  });

  test.each(['', '# nothing\n', '{}', '{"keys": []}'])('may be next to empty: %j', async (text) => {
    expect(await read(text)).toEqual({ keys: [], groups: [], models: [], tools: [], webhooks: [] });
  });

  test('is as the documentation has it', async () => {
    const page = await readFile(new URL('../../../docs/administration.md', import.meta.url), 'utf8');
    const [, example = ''] = /```yaml\n(.*?)```/s.exec(page) ?? [];
    const variables = [...example.matchAll(/\$\{env:(\w+)\}/g)].map(([, name]) => [
      name,
      `whsec_${'MfKQ9r8G'.repeat(4)}`,
    ]);
    const config = parseRegistryConfig(parse(example), 'administration.md', Object.fromEntries(variables));
    expect(Object.values(config).map((list) => list.length)).toEqual([1, 1, 1, 3, 1]);
  });

  test('may be JSON', async () => {
    const text = JSON.stringify({ models: [{ name: 'm', upstreams: [{ base_url: 'http://h', model: 'x' }] }] });
    expect((await read(text)).models).toHaveLength(1);
  });
});

describe('a configuration file that is refused names the place', () => {
  const model = (fields: string) =>
    `models: [{name: m, ${fields}${fields.includes('upstreams') ? '' : ", upstreams: [{base_url: 'http://h', model: x}]"}}]`;
  const tool = (fields: string) => `tools: [{name: t, kind: http, url: 'http://h', ${fields}}]`;
  const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const webhook = (fields: string) => `webhooks: [{name: w, url: 'http://h', ${fields}}]`;
  test.each([
    ['an unknown section', 'modles: []', '"modles"'],
    ['an unknown field', model('concurency: 5'), 'models[0]'],
    ['a short key', 'keys: [{name: a, key: short}]', 'keys[0].key'],
    ['a key without a name', 'keys: [{key: tr-alice-0123456789abcdef}]', 'keys[0].name'],
    ['a key without groups', 'keys: [{name: a, key: tr-alice-0123456789abcdef, groups: []}]', 'keys[0].groups'],
    ['a model without upstreams', 'models: [{name: m, upstreams: []}]', 'models[0].upstreams'],
    [
      'a URL that is none',
      'models: [{name: m, upstreams: [{base_url: nowhere, model: x}]}]',
      'models[0].upstreams[0].base_url',
    ],
    [
      'a URL of another protocol',
      "models: [{name: m, upstreams: [{base_url: 'ftp://h', model: x}]}]",
      'models[0].upstreams[0].base_url',
    ],
    ['a name with a space', "models: [{name: a b, upstreams: [{base_url: 'http://h', model: x}]}]", 'models[0].name'],
    ['no concurrency', model('concurrency: 0'), 'models[0].concurrency'],
    [
      'a URL with a password in it',
      "models: [{name: m, upstreams: [{base_url: 'http://u:p@h', model: x}]}]",
      'models[0].upstreams[0].base_url',
    ],
    ['a host that a model would choose', "tools: [{name: t, kind: http, url: 'http://{host}/'}]", 'tools[0].url'],
    ['a header twice', tool('headers: {X-A: a, x-a: b}'), 'tools[0].headers'],
    ['a header of two lines', tool('headers: {x: "a\\r\\nb"}'), 'tools[0].headers.x'],
    [
      'a header that the call has by itself',
      tool('headers: {Content-Length: "7"}'),
      'tools[0].headers["Content-Length"]',
    ],
    ['a text that no database holds', 'groups: [{name: "a\\0b"}]', 'groups[0].name'],
    ['half of a character', 'keys: [{name: a, key: tr-alice-0123456789abcdef, owner: "\\ud800"}]', 'keys[0].owner'],
    ['a name that is a place in a path', 'keys: [{name: .., key: tr-alice-0123456789abcdef}]', 'keys[0].name'],
    ['a body where there is none', tool('method: GET, arguments_in: body'), 'tools[0].arguments_in'],
    ['a brace that is open', "tools: [{name: t, kind: http, url: 'http://h/{city'}]", 'tools[0].url'],
    [
      'an upstream’s key that no header takes',
      model('upstreams: [{base_url: "http://h", model: x, api_key: "sk\\r\\n"}]'),
      'models[0].upstreams[0].api_key',
    ],
    [
      'an upstream with a query',
      "models: [{name: m, upstreams: [{base_url: 'http://h/v1?key=1', model: x}]}]",
      'models[0].upstreams[0].base_url',
    ],
    ['a method that is none', tool('method: LOOK'), 'tools[0].method'],
    ['an agent without a model', 'tools: [{name: t, kind: agent}]', 'tools[0].model'],
    ['a field of another kind', tool('model: m'), 'tools[0]'],
    ['a policy that nobody has', "tools: [{name: t, kind: mcp, url: 'http://h', require_approval: maybe}]", 'tools[0]'],
    ['a weight of nothing', model("upstreams: [{base_url: 'http://h', model: x, weight: 0}]"), 'models[0]'],
    [
      'a price below nothing',
      "models: [{name: m, upstreams: [{base_url: 'http://h', model: x, price: {input: -1, output: 1}}]}]",
      'price.input',
    ],
    ['a status that is no failure', model('failover_statuses: [200]'), 'models[0].failover_statuses[0]'],
    ['a limit of nothing', 'groups: [{name: g, limits: {concurrency: 0}}]', 'groups[0].limits.concurrency'],
    [
      'a time that is none',
      'keys: [{name: a, key: tr-alice-0123456789abcdef, expires_at: soon}]',
      'keys[0].expires_at',
    ],
    ['a variable that is not set', `keys: [{name: a, key: "${reference('NOBODY_SETS_IT')}"}]`, 'NOBODY_SETS_IT'],
    ['a variable that is empty, by its place', `keys: [{name: a, key: "${reference('EMPTY')}"}]`, 'keys[0].key'],
    ['a kind that is not there yet', "tools: [{name: t, kind: grpc, url: 'http://h'}]", 'tools[0].kind'],
    ['a tool’s name that no model could call', "tools: [{name: a.b, kind: http, url: 'http://h'}]", 'tools[0].name'],
    ['a header that is no text', tool('headers: {x: 5}'), 'tools[0].headers.x'],
    ['a timeout beyond an hour', tool('timeout_ms: 3600001'), 'tools[0].timeout_ms'],
    ['a yes that is no boolean', tool('idempotent: yes please'), 'tools[0].idempotent'],
    [
      'two keys of one name',
      'keys: [{name: a, key: tr-alice-0123456789abcdef}, {name: a, key: tr-other-0123456789abcdef}]',
      'keys[1].name',
    ],
    [
      'two models of one name',
      "models: [{name: m, upstreams: [{base_url: 'http://h', model: x}]}, {name: m, upstreams: [{base_url: 'http://i', model: x}]}]",
      'models[1].name',
    ],
    [
      'two tools of one name',
      "tools: [{name: t, kind: http, url: 'http://h'}, {name: t, kind: http, url: 'http://i'}]",
      'tools[1].name',
    ],
    ['a context window of nothing', model('context_window: 0'), 'models[0].context_window'],
    [
      'a dialect that nobody speaks',
      "models: [{name: m, upstreams: [{base_url: 'http://h', model: x, dialect: soap}]}]",
      'models[0].upstreams[0].dialect',
    ],
    ['a webhook without a secret', webhook('events: [response.failed]'), 'webhooks[0].secret'],
    ['a webhook’s secret without its prefix', webhook(`secret: ${SECRET.slice(6)}`), 'webhooks[0].secret'],
    ['a webhook’s secret that is short', webhook('secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La'), 'webhooks[0].secret'],
    ['a webhook for no events', webhook(`secret: ${SECRET}, events: []`), 'webhooks[0].events'],
    [
      'a webhook for an event that does not come',
      webhook(`secret: ${SECRET}, events: [response.created]`),
      'webhooks[0].events[0]',
    ],
    ['a webhook for no owners', webhook(`secret: ${SECRET}, owners: []`), 'webhooks[0].owners'],
    [
      'two webhooks of one name',
      `webhooks: [{name: w, url: 'http://h', secret: ${SECRET}}, {name: w, url: 'http://i', secret: ${SECRET}}]`,
      'webhooks[1].name',
    ],
    ['a list', '[]', 'tailrace.yaml'],
    ['text', 'hello', 'tailrace.yaml'],
  ])('%s', async (_what, text, place) => {
    const message = await refusalOf(text);
    expect(message).toContain(join(directory, 'tailrace.yaml'));
    expect(message).toContain(place);
  });

  test('every mistake is told at once', async () => {
    const message = await refusalOf(`keys: [{name: a, key: short}]\n${tool('concurrency: 0')}`);
    expect(message).toContain('keys[0].key');
    expect(message).toContain('tools[0].concurrency');
  });

  const INVALID = 'models: []\nkeys: [{name: a, key: "tr-secret-0123456789abcdef" ]\n';
  test('what is no YAML is told by its line, without the secrets that stand there', async () => {
    const message = await refusalOf(INVALID);
    expect(message).toMatch(/at line \d, column \d+$/);
    expect(message).not.toContain('tr-secret');
    await expect(read(INVALID)).rejects.not.toHaveProperty('cause.message');
  });

  test('a value that is refused is not repeated', async () => {
    expect(await refusalOf('keys: [{name: a, key: hush}]')).not.toContain('hush');
    expect(await refusalOf(webhook('secret: hush'))).not.toContain('hush');
  });

  test('a file that is not there', async () => {
    await expect(readRegistryConfig(join(directory, 'none.yaml'))).rejects.toThrow(/none\.yaml: ENOENT/);
  });
});

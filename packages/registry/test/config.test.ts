import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RegistryConfig, RegistryConfigError, readRegistryConfig } from '../src/index.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'registry-config-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function read(text: string): Promise<RegistryConfig> {
  const file = join(directory, 'tailrace.yaml');
  await writeFile(file, text);
  return readRegistryConfig(file);
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

const WHOLE = `
keys:
  - {name: alice, key: tr-alice-0123456789abcdef, groups: [staff]}
models:
  - name: org/small:7b
    groups: [staff]
    concurrency: 4
    context_window: 8192
    upstreams:
      - {base_url: http://127.0.0.1:9001/v1, api_key: sk-1, model: upstream-name, dialect: responses}
tools:
  - name: get_weather
    kind: http
    groups: [staff]
    models: [org/small:7b]
    description: Weather of a city
    parameters: {type: object, properties: {city: {type: string}}, required: [city]}
    url: https://example.org/weather
    headers: {authorization: Bearer x}
    timeout_ms: 1000
    concurrency: 2
    idempotent: true
    client_override: true
webhooks:
  - name: billing
    url: https://example.org/ended
    secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
    events: [response.completed]
    owners: [alice]
`;

describe('a configuration file', () => {
  test('says who may use what, and where it is', async () => {
    expect(await read(WHOLE)).toEqual({
      keys: [{ name: 'alice', key: 'tr-alice-0123456789abcdef', groups: ['staff'] }],
      models: [
        {
          name: 'org/small:7b',
          groups: ['staff'],
          concurrency: 4,
          context_window: 8192,
          upstreams: [
            { base_url: 'http://127.0.0.1:9001/v1', api_key: 'sk-1', model: 'upstream-name', dialect: 'responses' },
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
          url: 'https://example.org/weather',
          headers: { authorization: 'Bearer x' },
          timeout_ms: 1000,
          concurrency: 2,
          idempotent: true,
          client_override: true,
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
models: [{name: m, upstreams: [{base_url: 'http://h', model: x}]}]
tools: [{name: t, kind: http, url: 'http://h'}]
webhooks: [{name: w, url: 'http://h', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}]`),
    ).toEqual({
      keys: [{ name: 'a', key: 'tr-alice-0123456789abcdef', groups: ['everyone'] }],
      models: [
        {
          name: 'm',
          groups: ['everyone'],
          concurrency: 64,
          upstreams: [{ base_url: 'http://h', model: 'x', dialect: 'chat' }],
        },
      ],
      tools: [
        {
          name: 't',
          kind: 'http',
          groups: ['everyone'],
          url: 'http://h',
          headers: {},
          timeout_ms: 30_000,
          concurrency: 8,
          idempotent: false,
          client_override: false,
        },
      ],
      webhooks: [
        {
          name: 'w',
          url: 'http://h',
          secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
          events: ['response.completed', 'response.failed', 'response.incomplete', 'response.cancelled'],
        },
      ],
    });
  });

  test.each(['', '# nothing\n', '{}', '{"keys": []}'])('may be next to empty: %j', async (text) => {
    expect(await read(text)).toEqual({ keys: [], models: [], tools: [], webhooks: [] });
  });

  test('may be JSON', async () => {
    const text = JSON.stringify({ models: [{ name: 'm', upstreams: [{ base_url: 'http://h', model: 'x' }] }] });
    expect((await read(text)).models).toHaveLength(1);
  });
});

describe('a configuration file that is refused names the place', () => {
  const model = (fields: string) => `models: [{name: m, upstreams: [{base_url: 'http://h', model: x}], ${fields}}]`;
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

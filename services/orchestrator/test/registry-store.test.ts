import { connectDatabase, type Database, migrate } from '@tailrace/database';
import { hashKey, type RegistryConfig, RegistryView, Sealer } from '@tailrace/registry';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { makeDatabase } from '../../../test/harness/database.ts';
import { applyConfig, loadSnapshot } from '../src/registry-store.ts';

let database: Database;
beforeAll(async () => {
  const url = await makeDatabase(inject('postgresUrl'));
  await migrate(url);
  database = connectDatabase({
    url,
    name: 'test',
    connections: 2,
    timeoutMs: 10_000,
    prepare: true,
    onError: () => undefined,
  });
});
afterAll(() => database.destroy());

const sealer = new Sealer('the key of this installation');
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const config: RegistryConfig = {
  keys: [{ name: 'alice', key: 'tr-alice-0123456789abcdef', groups: ['everyone'] }],
  models: [
    {
      name: 'small',
      groups: ['everyone'],
      concurrency: 4,
      context_window: 4_096,
      upstreams: [{ base_url: 'http://127.0.0.1:1/v1', api_key: 'sk-upstream', model: 'tiny', dialect: 'responses' }],
    },
  ],
  tools: [
    {
      name: 'look',
      kind: 'http',
      groups: ['everyone'],
      url: 'http://127.0.0.1:2/look',
      headers: { authorization: 'Bearer secret' },
      parameters: { type: 'object', properties: { b: {}, a: {} } },
      timeout_ms: 1_000,
      concurrency: 2,
      idempotent: true,
      client_override: true,
    },
  ],
  webhooks: [
    {
      name: 'billing',
      url: 'http://127.0.0.1:3/ended',
      secret: SECRET,
      events: ['response.completed', 'response.failed'],
      owners: ['alice'],
    },
  ],
};

/** The webhooks as they are stored: no service but the orchestrator sees them. */
async function storedWebhooks() {
  return database.selectFrom('registry_webhooks').selectAll().orderBy('name').execute();
}

test('what is configured is what services see, with every secret hashed or sealed', async () => {
  await applyConfig(database, config, sealer);
  const snapshot = await loadSnapshot(database);
  const view = new RegistryView(snapshot);
  expect(view.key('tr-alice-0123456789abcdef')).toEqual({
    name: 'alice',
    hash: hashKey('tr-alice-0123456789abcdef'),
    owner: 'alice',
    groups: ['everyone'],
  });
  const model = view.models.get('small');
  expect(model?.contextWindow).toBe(4_096);
  expect(model?.upstreams[0]?.dialect).toBe('responses');
  expect(sealer.open(model?.upstreams[0]?.apiKey ?? '')).toBe('sk-upstream');
  const tool = view.tools.get('look');
  expect(sealer.open(tool?.headers.authorization ?? '')).toBe('Bearer secret');
  expect(tool?.clientOverride).toBe(true);
  expect(JSON.stringify(tool?.parameters)).toBe(JSON.stringify(config.tools[0]?.parameters));
  for (const secret of ['tr-alice', 'sk-upstream', 'Bearer']) expect(JSON.stringify(snapshot)).not.toContain(secret);
});

test('a webhook is stored with its secret sealed, and is told to no service', async () => {
  await applyConfig(database, config, sealer);
  const webhooks = await storedWebhooks();
  expect(webhooks).toEqual([
    {
      name: 'billing',
      url: 'http://127.0.0.1:3/ended',
      secret_sealed: expect.any(String),
      secret_hash: hashKey(SECRET),
      events: ['response.completed', 'response.failed'],
      owners: ['alice'],
    },
  ]);
  expect(sealer.open(webhooks[0]?.secret_sealed ?? '')).toBe(SECRET);
  expect(JSON.stringify([webhooks, await loadSnapshot(database)])).not.toContain(SECRET.slice(6));
});

test('the same configuration again changes nothing', async () => {
  await applyConfig(database, config, sealer);
  const before = [await loadSnapshot(database), await storedWebhooks()];
  await applyConfig(database, config, sealer);
  expect([await loadSnapshot(database), await storedWebhooks()]).toEqual(before);
});

test('what is not named stays, what is named is brought up to date', async () => {
  await applyConfig(database, config, sealer);
  const upstreams = [{ base_url: 'http://127.0.0.1:3/v1', model: 'tiny', dialect: 'chat' as const }];
  const models = [{ name: 'small', groups: ['few'], concurrency: 9, upstreams }];
  const moved = {
    name: 'billing',
    url: 'http://127.0.0.1:4/ended',
    secret: SECRET,
    events: config.webhooks[0]?.events ?? [],
  };
  await applyConfig(database, { keys: [], models, tools: [], webhooks: [] }, sealer);
  expect((await storedWebhooks())[0]?.url).toBe('http://127.0.0.1:3/ended');
  await applyConfig(database, { keys: [], models: [], tools: [], webhooks: [moved] }, sealer);
  expect(await storedWebhooks()).toMatchObject([{ url: 'http://127.0.0.1:4/ended', owners: null }]);
  const snapshot = await loadSnapshot(database);
  expect(snapshot.keys.length).toBe(1);
  expect(snapshot.tools.length).toBe(1);
  expect(snapshot.models).toEqual([
    {
      name: 'small',
      groups: ['few'],
      concurrency: 9,
      contextWindow: null,
      upstreams: [{ baseUrl: 'http://127.0.0.1:3/v1', apiKey: null, model: 'tiny', dialect: 'chat' }],
    },
  ]);
});

test('under another key every secret is sealed anew', async () => {
  await applyConfig(database, config, sealer);
  const other = new Sealer('another key altogether');
  await applyConfig(database, config, other);
  const [model] = (await loadSnapshot(database)).models;
  expect(other.open(model?.upstreams[0]?.apiKey ?? '')).toBe('sk-upstream');
  expect(other.open((await storedWebhooks())[0]?.secret_sealed ?? '')).toBe(SECRET);
});

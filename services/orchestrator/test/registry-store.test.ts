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
const config: RegistryConfig = {
  keys: [{ name: 'alice', key: 'tr-alice-0123456789abcdef', groups: ['everyone'] }],
  models: [
    {
      name: 'small',
      groups: ['everyone'],
      concurrency: 4,
      upstreams: [{ base_url: 'http://127.0.0.1:1/v1', api_key: 'sk-upstream', model: 'tiny' }],
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
    },
  ],
};

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
  expect(sealer.open(view.models.get('small')?.upstreams[0]?.apiKey ?? '')).toBe('sk-upstream');
  const tool = view.tools.get('look');
  expect(sealer.open(tool?.headers.authorization ?? '')).toBe('Bearer secret');
  expect(JSON.stringify(tool?.parameters)).toBe(JSON.stringify(config.tools[0]?.parameters));
  for (const secret of ['tr-alice', 'sk-upstream', 'Bearer']) expect(JSON.stringify(snapshot)).not.toContain(secret);
});

test('the same configuration again changes nothing', async () => {
  await applyConfig(database, config, sealer);
  const before = await loadSnapshot(database);
  await applyConfig(database, config, sealer);
  expect(await loadSnapshot(database)).toEqual(before);
});

test('what is not named stays, what is named is brought up to date', async () => {
  await applyConfig(database, config, sealer);
  const upstreams = [{ base_url: 'http://127.0.0.1:3/v1', model: 'tiny' }];
  const models = [{ name: 'small', groups: ['few'], concurrency: 9, upstreams }];
  await applyConfig(database, { keys: [], models, tools: [] }, sealer);
  const snapshot = await loadSnapshot(database);
  expect(snapshot.keys.length).toBe(1);
  expect(snapshot.tools.length).toBe(1);
  expect(snapshot.models).toEqual([
    {
      name: 'small',
      groups: ['few'],
      concurrency: 9,
      upstreams: [{ baseUrl: 'http://127.0.0.1:3/v1', apiKey: null, model: 'tiny' }],
    },
  ]);
});

test('under another key every secret is sealed anew', async () => {
  await applyConfig(database, config, sealer);
  const other = new Sealer('another key altogether');
  await applyConfig(database, config, other);
  const [model] = (await loadSnapshot(database)).models;
  expect(other.open(model?.upstreams[0]?.apiKey ?? '')).toBe('sk-upstream');
});

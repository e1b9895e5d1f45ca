/** What was registered before keys had limits, and tools had kinds, is what it was. */
import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import { makeDatabase } from '../../../test/harness/database.ts';
import { connectDatabase, readRegistry, readWebhooks } from '../src/index.ts';

const MIGRATIONS = new URL('../../../migrations/', import.meta.url);

async function run(client: pg.Client, wanted: (name: string) => boolean): Promise<void> {
  for (const name of (await readdir(MIGRATIONS)).sort()) {
    if (name.endsWith('.sql') && wanted(name)) await client.query(await readFile(new URL(name, MIGRATIONS), 'utf8'));
  }
}

test('an installation is brought up to date with what it has', async () => {
  const url = await makeDatabase(inject('postgresUrl'));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await run(client, (name) => name < '0006');
  await client.query(`
    INSERT INTO registry_keys VALUES ('alice', 'hash', 'team', '{staff}');
    INSERT INTO registry_models VALUES ('small', '{staff}', 4, NULL);
    INSERT INTO registry_upstreams VALUES ('small', 0, 'http://h', 'sealed key', 'hash of it', 'tiny', 'chat');
    INSERT INTO registry_tools VALUES
      ('look', 'http', '{staff}', NULL, NULL, '{"type": "object"}', 'http://h', '{"a": {"sealed": "x", "hash": "y"}}', 5, 2, true),
      ('bare', 'http', '{staff}', '{small}', NULL, NULL, 'http://h', '{}', 5, 2, false);
    INSERT INTO registry_webhooks VALUES ('ends', 'http://h', 'sealed secret', 'hash of it', '{response.failed}', NULL);`);
  await run(client, (name) => name >= '0006');
  await client.end();

  const database = connectDatabase({
    url,
    name: 'test',
    connections: 1,
    timeoutMs: 10_000,
    prepare: true,
    onError: () => undefined,
  });
  const { snapshot, version } = await readRegistry(database);
  const webhooks = await readWebhooks(database);
  await database.destroy();
  expect(version).toBe(0);
  expect(snapshot.keys).toMatchObject([{ name: 'alice', hash: 'hash', previous: null, expiresAt: null }]);
  expect(snapshot.models).toMatchObject([
    {
      name: 'small',
      failoverStatuses: [408, 409, 425, 429, 500, 502, 503, 504, 529],
      upstreams: [{ apiKey: 'sealed key', dialect: 'chat', priority: 0, weight: 1, price: null, concurrency: null }],
    },
  ]);
  expect(snapshot.tools).toMatchObject([
    { name: 'bare', models: ['small'], headers: {}, parameters: null },
    { name: 'look', kind: 'http', method: 'POST', argumentsIn: 'body', headers: { a: 'x' }, idempotent: true },
  ]);
  expect(webhooks).toEqual([
    {
      entry: { name: 'ends', url: 'http://h', secret: 'sealed secret', events: ['response.failed'], owners: null },
      fromFile: true,
    },
  ]);
});

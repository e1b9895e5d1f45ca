/** The registry in Postgres: written from the operator's file, read as the snapshot that every service sees. */
import type { Database, Tables } from '@tailrace/database';
import { hashKey, type RegistryConfig, type RegistrySnapshot, type Sealer } from '@tailrace/registry';
import type { Transaction } from 'kysely';

/** Applies a configuration: what it names is created or brought up to date, what it does not name stays. */
export async function applyConfig(database: Database, config: RegistryConfig, sealer: Sealer): Promise<void> {
  await database.transaction().execute(async (tx) => {
    for (const { name, key, owner, groups } of config.keys) {
      const row = { hash: hashKey(key), owner: owner ?? name, groups };
      await tx
        .insertInto('registry_keys')
        .values({ name, ...row })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
        .execute();
    }
    for (const model of config.models) await applyModel(tx, model, sealer);
    for (const tool of config.tools) await applyTool(tx, tool, sealer);
  });
}

type ConfiguredModel = RegistryConfig['models'][number];
type ConfiguredTool = RegistryConfig['tools'][number];

async function applyModel(tx: Transaction<Tables>, model: ConfiguredModel, sealer: Sealer): Promise<void> {
  const { name, groups, concurrency } = model;
  await tx
    .insertInto('registry_models')
    .values({ name, groups, concurrency })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ groups, concurrency }))
    .execute();
  const present = await tx.selectFrom('registry_upstreams').selectAll().where('model', '=', name).execute();
  await tx.deleteFrom('registry_upstreams').where('model', '=', name).execute();
  const rows = model.upstreams.map((upstream, position) => {
    const before = present.find((row) => row.position === position);
    const hash = upstream.api_key === undefined ? null : hashKey(upstream.api_key);
    // What an earlier key sealed nobody can open any more.
    const kept = before?.api_key_hash === hash ? before.api_key_sealed : null;
    const same = kept !== null && sealer.canOpen(kept) ? kept : undefined;
    return {
      model: name,
      position,
      base_url: upstream.base_url,
      api_key_sealed: same ?? (upstream.api_key === undefined ? null : sealer.seal(upstream.api_key)),
      api_key_hash: hash,
      upstream_model: upstream.model,
    };
  });
  await tx.insertInto('registry_upstreams').values(rows).execute();
}

async function applyTool(tx: Transaction<Tables>, tool: ConfiguredTool, sealer: Sealer): Promise<void> {
  const before = await tx
    .selectFrom('registry_tools')
    .select('headers')
    .where('name', '=', tool.name)
    .executeTakeFirst();
  const headers = Object.fromEntries(
    Object.entries(tool.headers).map(([name, value]) => {
      const present = before?.headers[name];
      const hash = hashKey(value);
      return [
        name,
        present?.hash === hash && sealer.canOpen(present.sealed) ? present : { sealed: sealer.seal(value), hash },
      ];
    }),
  );
  const row = {
    kind: tool.kind,
    groups: tool.groups,
    models: tool.models ?? null,
    description: tool.description ?? null,
    parameters: tool.parameters === undefined ? null : JSON.stringify(tool.parameters),
    url: tool.url,
    headers: JSON.stringify(headers),
    timeout_ms: tool.timeout_ms,
    concurrency: tool.concurrency,
    idempotent: tool.idempotent,
  };
  await tx
    .insertInto('registry_tools')
    .values({ name: tool.name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute();
}

/** The whole registry as it stands. */
export async function loadSnapshot(database: Database): Promise<RegistrySnapshot> {
  return database
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx) => {
      const keys = await tx.selectFrom('registry_keys').selectAll().orderBy('name').execute();
      const models = await tx.selectFrom('registry_models').selectAll().orderBy('name').execute();
      const upstreams = await tx.selectFrom('registry_upstreams').selectAll().orderBy('position').execute();
      const tools = await tx.selectFrom('registry_tools').selectAll().orderBy('name').execute();
      return {
        keys,
        models: models.map((model) => ({
          ...model,
          upstreams: upstreams
            .filter((upstream) => upstream.model === model.name)
            .map((row) => ({ baseUrl: row.base_url, apiKey: row.api_key_sealed, model: row.upstream_model })),
        })),
        tools: tools.map(({ timeout_ms, headers, ...tool }) => ({
          ...tool,
          timeoutMs: timeout_ms,
          headers: Object.fromEntries(Object.entries(headers).map(([name, { sealed }]) => [name, sealed])),
        })),
      };
    });
}

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
    for (const webhook of config.webhooks) await applyWebhook(tx, webhook, sealer);
  });
}

type ConfiguredModel = RegistryConfig['models'][number];
type ConfiguredTool = RegistryConfig['tools'][number];

async function applyModel(tx: Transaction<Tables>, model: ConfiguredModel, sealer: Sealer): Promise<void> {
  const { name, groups, concurrency } = model;
  const row = { groups, concurrency, context_window: model.context_window ?? null };
  await tx
    .insertInto('registry_models')
    .values({ name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
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
      dialect: upstream.dialect,
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
    client_override: tool.client_override,
  };
  await tx
    .insertInto('registry_tools')
    .values({ name: tool.name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute();
}

async function applyWebhook(
  tx: Transaction<Tables>,
  webhook: RegistryConfig['webhooks'][number],
  sealer: Sealer,
): Promise<void> {
  const { name, url, secret, events, owners } = webhook;
  const before = await tx.selectFrom('registry_webhooks').selectAll().where('name', '=', name).executeTakeFirst();
  const secret_hash = hashKey(secret);
  const kept = before?.secret_hash === secret_hash && sealer.canOpen(before.secret_sealed);
  const secret_sealed = kept ? before.secret_sealed : sealer.seal(secret);
  const row = { url, secret_sealed, secret_hash, events, owners: owners ?? null };
  await tx
    .insertInto('registry_webhooks')
    .values({ name, ...row })
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
        models: models.map(({ context_window, ...model }) => ({
          ...model,
          contextWindow: context_window,
          upstreams: upstreams
            .filter((upstream) => upstream.model === model.name)
            .map((row) => ({
              baseUrl: row.base_url,
              apiKey: row.api_key_sealed,
              model: row.upstream_model,
              dialect: row.dialect,
            })),
        })),
        tools: tools.map(({ timeout_ms, client_override, headers, ...tool }) => ({
          ...tool,
          timeoutMs: timeout_ms,
          clientOverride: client_override,
          headers: Object.fromEntries(Object.entries(headers).map(([name, { sealed }]) => [name, sealed])),
        })),
      };
    });
}

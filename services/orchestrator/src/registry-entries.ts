/** Groups, models, tools and webhooks in Postgres: written as an operator says them, with every secret sealed. */
import type { Tables } from '@tailrace/database';
import { ApiError } from '@tailrace/protocol';
import type { Entry, Sealer } from '@tailrace/registry';
import type { Insertable, Transaction } from 'kysely';
import { limitColumns } from './registry-keys.ts';
import { refuseUsed } from './registry-references.ts';
import { sealSecret } from './registry-secrets.ts';
import { unusableSchema } from './transition-context.ts';

/** What entries are written with. */
export interface EntryWriter {
  tx: Transaction<Tables>;
  sealer: Sealer;
  /** Whether a file says it. An entry that is there stays whose it was. */
  fromFile: boolean;
}

/** An entry that has no secret by which it is found. */
export type PlainEntry =
  | { section: 'groups'; entry: Entry<'groups'> }
  | { section: 'models'; entry: Entry<'models'> }
  | { section: 'tools'; entry: Entry<'tools'> }
  | { section: 'webhooks'; entry: Entry<'webhooks'> };

/**
 * Makes an entry, or puts it in the place of the one of that name. Whether an agent has what it needs is looked at when all
 * is written.
 * @returns whether there was one.
 * @throws ApiError `invalid_value` for a secret to be kept that is not there, and for parameters that nothing can be checked by.
 */
export async function putEntry(writer: EntryWriter, put: PlainEntry): Promise<boolean> {
  switch (put.section) {
    case 'groups':
      return putGroup(writer, put.entry);
    case 'models':
      return putModel(writer, put.entry);
    case 'tools':
      return putTool(writer, put.entry);
    case 'webhooks':
      return putWebhook(writer, put.entry);
  }
}

const KIND = { groups: 'group', models: 'model', tools: 'tool', webhooks: 'webhook' } as const;

/**
 * Removes an entry.
 * @throws ApiError `entry_not_found`; `entry_in_use` for a model or a tool that an agent needs.
 */
export async function removeEntry(
  tx: Transaction<Tables>,
  section: PlainEntry['section'],
  name: string,
): Promise<void> {
  if (section === 'models' || section === 'tools') await refuseUsed(tx, section, name);
  const removed = await tx
    .deleteFrom(`registry_${section}`)
    .where('name', '=', name)
    .returning('name')
    .executeTakeFirst();
  if (!removed) throw new ApiError('entry_not_found', { kind: KIND[section], name });
}

async function putGroup({ tx, fromFile }: EntryWriter, { name, limits }: Entry<'groups'>): Promise<boolean> {
  const row = limitColumns(limits);
  const existed = await exists(tx, 'registry_groups', name);
  await tx
    .insertInto('registry_groups')
    .values({ name, ...row, from_file: fromFile })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute();
  return existed;
}

async function putModel(writer: EntryWriter, model: Entry<'models'>): Promise<boolean> {
  const { tx, fromFile } = writer;
  const { name, groups, concurrency, context_window } = model;
  const row = { groups, concurrency, context_window, failover_statuses: [...new Set(model.failover_statuses)] };
  const existed = await exists(tx, 'registry_models', name);
  await tx
    .insertInto('registry_models')
    .values({ name, ...row, from_file: fromFile })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute();
  await putUpstreams(writer, name, model.upstreams);
  return existed;
}

type UpstreamEntry = Entry<'models'>['upstreams'][number];

async function putUpstreams({ tx, sealer }: EntryWriter, model: string, upstreams: UpstreamEntry[]): Promise<void> {
  const present = await tx.selectFrom('registry_upstreams').selectAll().where('model', '=', model).execute();
  await tx.deleteFrom('registry_upstreams').where('model', '=', model).execute();
  const rows = upstreams.map((upstream, position): Insertable<Tables['registry_upstreams']> => {
    const { base_url, api_key, timeouts, price } = upstream;
    const here = present.filter((row) => row.base_url === base_url && row.api_key_sealed !== null);
    const same = here.find((row) => row.upstream_model === upstream.model) ?? here[0];
    return {
      model,
      position,
      base_url,
      api_key_sealed:
        api_key === null
          ? null
          : sealSecret(sealer, {
              said: api_key,
              present: present.map((row) => row.api_key_sealed),
              kept: same?.api_key_sealed,
              param: `upstreams[${position}].api_key`,
            }),
      upstream_model: upstream.model,
      dialect: upstream.dialect,
      priority: upstream.priority,
      weight: upstream.weight,
      concurrency: upstream.concurrency,
      ...timeouts,
      input_price: price?.input ?? null,
      cached_input_price: price === null ? null : (price.cached_input ?? price.input),
      output_price: price?.output ?? null,
    };
  });
  await tx.insertInto('registry_upstreams').values(rows).execute();
}

/** Every call of it would fail. */
function refuseUnusable(tool: Entry<'tools'>): void {
  if (tool.kind === 'mcp' || tool.parameters === null) return;
  const reason = unusableSchema(tool.parameters);
  if (reason !== null) throw new ApiError('invalid_value', { param: 'parameters', reason }, { param: 'parameters' });
}

async function putTool(writer: EntryWriter, tool: Entry<'tools'>): Promise<boolean> {
  const { tx, fromFile } = writer;
  const { name } = tool;
  refuseUnusable(tool);
  const before = await tx
    .selectFrom('registry_tools')
    .select(['headers', 'url'])
    .where('name', '=', name)
    .executeTakeFirst();
  const row = {
    kind: tool.kind,
    groups: tool.groups,
    models: tool.models,
    description: tool.description,
    timeout_ms: tool.timeout_ms,
    concurrency: tool.concurrency,
    calls_per_minute: tool.calls_per_minute,
    client_override: tool.client_override,
    ...kindColumns(tool),
    headers: JSON.stringify(tool.kind === 'agent' ? {} : sealedHeaders(writer.sealer, tool, before)),
  };
  await tx
    .insertInto('registry_tools')
    .values({ name, ...row, from_file: fromFile })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute();
  return before !== undefined;
}

const NO_KIND = {
  parameters: null,
  url: null,
  idempotent: false,
  method: null,
  arguments_in: null,
  agent_model: null,
  instructions: null,
  agent_tools: null,
  max_iterations: null,
  max_tool_calls: null,
  allowed_tools: null,
  require_approval: null,
};

/** What only one kind has; the columns of the others are emptied. */
function kindColumns(tool: Entry<'tools'>) {
  switch (tool.kind) {
    case 'http':
      return {
        ...NO_KIND,
        parameters: json(tool.parameters),
        url: tool.url,
        idempotent: tool.idempotent,
        method: tool.method,
        arguments_in: tool.arguments_in ?? (tool.method === 'GET' || tool.method === 'DELETE' ? 'query' : 'body'),
      };
    case 'agent':
      return {
        ...NO_KIND,
        parameters: json(tool.parameters),
        agent_model: tool.model,
        instructions: tool.instructions,
        agent_tools: tool.tools,
        max_iterations: tool.max_iterations,
        max_tool_calls: tool.max_tool_calls,
      };
    case 'mcp': {
      const policy = tool.require_approval;
      const names = (list: { tool_names: string[] } | undefined) => list?.tool_names ?? [];
      return {
        ...NO_KIND,
        url: tool.url,
        idempotent: tool.idempotent,
        allowed_tools: tool.allowed_tools,
        require_approval: JSON.stringify(
          typeof policy === 'string' ? policy : { always: names(policy.always), never: names(policy.never) },
        ),
      };
    }
  }
}

function json(value: Record<string, unknown> | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

type StoredHeaders = Record<string, { sealed: string }>;

/** A header stays as it is only where it goes as before: otherwise whoever may change a tool could read its secrets out. */
function sealedHeaders(
  sealer: Sealer,
  { url, headers }: { url: string; headers: Record<string, string> },
  before: { url: string | null; headers: StoredHeaders } | undefined,
): StoredHeaders {
  const sameAddress = before?.url === url;
  return Object.fromEntries(
    Object.entries(headers).map(([name, said]) => {
      const present = before && Object.hasOwn(before.headers, name) ? before.headers[name]?.sealed : undefined;
      const kept = sameAddress ? present : undefined;
      const param = `headers.${name}`;
      return [name, { sealed: sealSecret(sealer, { said, present: [present ?? null], kept, param }) }];
    }),
  );
}

async function putWebhook(writer: EntryWriter, webhook: Entry<'webhooks'>): Promise<boolean> {
  const { tx, sealer, fromFile } = writer;
  const { name, url, secret, events, owners } = webhook;
  const before = await tx
    .selectFrom('registry_webhooks')
    .select('secret_sealed')
    .where('name', '=', name)
    .executeTakeFirst();
  const kept = before?.secret_sealed;
  const secret_sealed = sealSecret(sealer, { said: secret, present: [kept ?? null], kept, param: 'secret' });
  const row = { url, secret_sealed, events, owners };
  await tx
    .insertInto('registry_webhooks')
    .values({ name, ...row, from_file: fromFile })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute();
  return before !== undefined;
}

async function exists(
  tx: Transaction<Tables>,
  table: 'registry_groups' | 'registry_models',
  name: string,
): Promise<boolean> {
  const row = await tx.selectFrom(table).select('name').where('name', '=', name).executeTakeFirst();
  return row !== undefined;
}

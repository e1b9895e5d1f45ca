/** How the registry is read: whole, by pages, or one entry. */
import type {
  RegisteredGroup,
  RegisteredKey,
  RegisteredModel,
  RegisteredTool,
  RegisteredUpstream,
  RegisteredWebhook,
  RegistrySnapshot,
  UsageLimits,
} from '@tailrace/registry';
import { type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from './connect.ts';
import type { RegistryToolsTable, RegistryUpstreamsTable, Tables } from './schema.ts';

/** Which entries are read; all when nothing is said. They come in the order of their names. */
export interface Which {
  name?: string | undefined;
  /** Only names after this one. */
  after?: string | undefined;
  limit?: number | undefined;
}

/** An entry, and whether a configuration file has made it. */
export interface Stored<Entry> {
  entry: Entry;
  fromFile: boolean;
}

/** The whole registry, and which of two is the newer one. */
export interface RegistryState {
  /** Of the database; versions of two databases say nothing of each other. */
  id: string;
  version: number;
  snapshot: RegistrySnapshot;
}

type Reader = Database | Transaction<Tables>;

/** The keys. */
export async function readKeys(database: Reader, which: Which = {}): Promise<Stored<RegisteredKey>[]> {
  const rows = await select(database, 'registry_keys', which);
  return rows.map((row) => ({
    entry: {
      name: row.name,
      hash: row.hash,
      previous:
        row.previous_hash === null || row.previous_expires_at === null
          ? null
          : { hash: row.previous_hash, expiresAt: row.previous_expires_at.getTime() },
      owner: row.owner,
      groups: row.groups,
      expiresAt: row.expires_at?.getTime() ?? null,
      limits: limitsOf(row),
    },
    fromFile: row.from_file,
  }));
}

/** The groups that have limits. */
export async function readGroups(database: Reader, which: Which = {}): Promise<Stored<RegisteredGroup>[]> {
  const rows = await select(database, 'registry_groups', which);
  return rows.map((row) => ({ entry: { name: row.name, limits: limitsOf(row) }, fromFile: row.from_file }));
}

/** The models, with their upstreams. */
export async function readModels(database: Reader, which: Which = {}): Promise<Stored<RegisteredModel>[]> {
  const rows = await select(database, 'registry_models', which);
  const upstreams = await database
    .selectFrom('registry_upstreams')
    .selectAll()
    .where('model', '=', sql<string>`ANY(${rows.map(({ name }) => name)}::text[])`)
    .orderBy('position')
    .execute();
  const byModel = Map.groupBy(upstreams, ({ model }) => model);
  return rows.map((row) => ({
    entry: {
      name: row.name,
      groups: row.groups,
      concurrency: row.concurrency,
      contextWindow: row.context_window,
      failoverStatuses: row.failover_statuses,
      upstreams: (byModel.get(row.name) ?? []).map(toUpstream),
    },
    fromFile: row.from_file,
  }));
}

/** The tools of every kind. */
export async function readTools(database: Reader, which: Which = {}): Promise<Stored<RegisteredTool>[]> {
  const rows = await select(database, 'registry_tools', which);
  return rows.map((row) => ({ entry: toTool(row), fromFile: row.from_file }));
}

/** The webhooks. */
export async function readWebhooks(database: Reader, which: Which = {}): Promise<Stored<RegisteredWebhook>[]> {
  const rows = await select(database, 'registry_webhooks', which);
  return rows.map(({ from_file: fromFile, secret_sealed: secret, ...entry }) => ({
    entry: { ...entry, secret },
    fromFile,
  }));
}

/** The whole registry as it stands. */
export async function readRegistry(database: Database): Promise<RegistryState> {
  return database
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx) => {
      const state = await tx.selectFrom('registry_state').select(['id', 'version']).executeTakeFirstOrThrow();
      const snapshot = {
        keys: entriesOf(await readKeys(tx)),
        groups: entriesOf(await readGroups(tx)),
        models: entriesOf(await readModels(tx)),
        tools: entriesOf(await readTools(tx)),
      };
      return { id: state.id, version: Number(state.version), snapshot };
    });
}

type EntryTable = Extract<keyof Tables, `registry_${'keys' | 'groups' | 'models' | 'tools' | 'webhooks'}`>;

async function select<Table extends EntryTable>(
  database: Reader,
  table: Table,
  { name, after, limit }: Which,
): Promise<Selectable<Tables[Table]>[]> {
  const conditions = [
    sql`true`,
    ...(name === undefined ? [] : [sql`name = ${name}`]),
    ...(after === undefined ? [] : [sql`name > ${after}`]),
  ];
  const { rows } = await sql<Selectable<Tables[Table]>>`
    SELECT * FROM ${sql.table(table)} WHERE ${sql.join(conditions, sql` AND `)}
    ORDER BY name LIMIT ${limit ?? null}::bigint
  `.execute(database);
  return rows;
}

function entriesOf<Entry>(stored: Stored<Entry>[]): Entry[] {
  return stored.map(({ entry }) => entry);
}

interface LimitRow {
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrency: number | null;
}

function limitsOf(row: LimitRow): UsageLimits {
  return {
    requestsPerMinute: row.requests_per_minute,
    tokensPerMinute: row.tokens_per_minute,
    concurrency: row.concurrency,
  };
}

function toUpstream(row: Selectable<RegistryUpstreamsTable>): RegisteredUpstream {
  const { input_price: input, cached_input_price: cachedInput, output_price: output } = row;
  return {
    baseUrl: row.base_url,
    apiKey: row.api_key_sealed,
    model: row.upstream_model,
    dialect: row.dialect,
    priority: row.priority,
    weight: row.weight,
    timeouts: {
      connectMs: row.connect_ms,
      firstTokenMs: row.first_token_ms,
      idleMs: row.idle_ms,
      totalMs: row.total_ms,
    },
    concurrency: row.concurrency,
    price: input === null || cachedInput === null || output === null ? null : { input, cachedInput, output },
  };
}

function toTool(row: Selectable<RegistryToolsTable>): RegisteredTool {
  const base = {
    name: row.name,
    groups: row.groups,
    models: row.models,
    description: row.description,
    timeoutMs: row.timeout_ms,
    concurrency: row.concurrency,
    callsPerMinute: row.calls_per_minute,
    clientOverride: row.client_override,
  };
  const { parameters, idempotent } = row;
  const headers = () => Object.fromEntries(Object.entries(row.headers).map(([name, { sealed }]) => [name, sealed]));
  switch (row.kind) {
    case 'http':
      return {
        ...base,
        kind: 'http',
        parameters,
        method: required(row.method),
        url: required(row.url),
        argumentsIn: required(row.arguments_in),
        headers: headers(),
        idempotent,
      };
    case 'agent':
      return {
        ...base,
        kind: 'agent',
        parameters,
        model: required(row.agent_model),
        instructions: row.instructions,
        tools: required(row.agent_tools),
        maxIterations: row.max_iterations,
        maxToolCalls: row.max_tool_calls,
      };
    case 'mcp':
      return {
        ...base,
        kind: 'mcp',
        url: required(row.url),
        headers: headers(),
        allowedTools: row.allowed_tools,
        requireApproval: required(row.require_approval),
        idempotent,
      };
  }
}

function required<T>(value: T | null): T {
  if (value === null) throw new Error('a tool lacks what its kind needs, which the table does not allow');
  return value;
}

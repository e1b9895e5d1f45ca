import type { ResponseRecord, Step, Turn } from '@tailrace/chain';
import type { ResponseId } from '@tailrace/protocol';
import { type Kysely, type Selectable, sql } from 'kysely';
import { toRecord, toStep } from './rows.ts';
import type { ResponseStepsTable, Tables } from './schema.ts';

/** A response with its chain. */
export interface StoredResponse {
  record: ResponseRecord;
  chain: Step[];
}

/** The same, as it was at a time. */
export interface LoadedResponse extends StoredResponse {
  /** What has happened since need not be in it. Milliseconds since the epoch, by this process's clock. */
  asOf: number;
}

/** A response and its chain as they stand; undefined when there is none. One round trip each. */
export async function loadResponse(database: Kysely<Tables>, id: ResponseId): Promise<LoadedResponse | undefined> {
  const asOf = Date.now();
  const row = await responseQuery(database, id).executeTakeFirst();
  if (!row) return undefined;
  return { record: toRecord(row), chain: await loadChain(database, id), asOf };
}

/** The steps of a response, in their order. */
export async function loadChain(database: Kysely<Tables>, id: ResponseId): Promise<Step[]> {
  return (await chainQuery(database, id).execute()).map(toStep);
}

/** One response by its id. */
export function responseQuery(database: Kysely<Tables>, id: ResponseId) {
  return database.selectFrom('responses').selectAll().where('id', '=', id);
}

/** The steps of one response. */
export function chainQuery(database: Kysely<Tables>, id: ResponseId) {
  return database.selectFrom('response_steps').selectAll().where('response_id', '=', id).orderBy('sequence');
}

/** The most turns that a conversation may have. */
const MAX_TURNS = 10_000;

/** A response and all it continues, oldest first. */
export function ancestorsQuery(id: ResponseId) {
  return sql<{ id: string; owner: string; previous_response_id: string | null }>`
    WITH RECURSIVE turns AS (
      SELECT id, owner, previous_response_id, 1 AS depth FROM responses WHERE id = ${id}
      UNION ALL
      SELECT earlier.id, earlier.owner, earlier.previous_response_id, turns.depth + 1
      FROM turns JOIN responses AS earlier ON earlier.id = turns.previous_response_id
      WHERE turns.depth < ${MAX_TURNS}
    )
    SELECT id, owner, previous_response_id FROM turns ORDER BY depth DESC`;
}

/**
 * The owner of what has been deleted, and is kept only as long as a live response needs it for its history. No key has it, so
 * nobody finds such a response any more.
 */
export const NOBODY = '';

/**
 * What keeps a response from being gone on from: a turn that it needs is `missing`, or has been `deleted` and is not for
 * others any more; null when all of them are there, back to the first, or to one that carries what was said before it.
 */
export async function findGap(database: Kysely<Tables>, id: ResponseId): Promise<'missing' | 'deleted' | null> {
  const { rows } = await ancestorsQuery(id).execute(database);
  const deleted = rows.findLastIndex((row) => row.owner === NOBODY);
  const [oldest] = rows;
  const missing = oldest === undefined || oldest.previous_response_id !== null;
  if (deleted < 0 && !missing) return null;
  const needed = rows.slice(deleted + 1).map((row) => row.id);
  const requests = await database.selectFrom('responses').select('request').where('id', '=', anyOf(needed)).execute();
  if (requests.some(({ request }) => request.context !== undefined)) return null;
  return missing ? 'missing' : 'deleted';
}

/**
 * Whether a response belongs to the history of one that is live. A condition of a statement about `responses`; a response
 * that is live continues none that is live itself.
 */
export function neededByLive(id: ResponseId) {
  return sql<boolean>`EXISTS (
    WITH RECURSIVE later AS (
      SELECT id, ended_at FROM responses WHERE previous_response_id = ${id}
      UNION ALL
      SELECT following.id, following.ended_at
      FROM later JOIN responses AS following ON following.previous_response_id = later.id
    )
    SELECT FROM later WHERE ended_at IS NULL)`;
}

/** One of these ids; as one parameter, so that the statement is the same whatever their number. */
export function anyOf(ids: readonly string[]) {
  return sql<string>`ANY(${ids}::uuid[])`;
}

/** The turns of a conversation up to and including a response, oldest first. */
export async function loadTurns(database: Kysely<Tables>, id: ResponseId): Promise<Turn[]> {
  const { rows } = await ancestorsQuery(id).execute(database);
  const ids = rows.map((row) => row.id);
  if (ids.length === 0) return [];
  const [responses, steps] = await Promise.all([
    database.selectFrom('responses').select(['id', 'request']).where('id', '=', anyOf(ids)).execute(),
    database
      .selectFrom('response_steps')
      .selectAll()
      .where('response_id', '=', anyOf(ids))
      .orderBy('sequence')
      .execute(),
  ]);
  const requests = new Map(responses.map((row) => [row.id, row.request]));
  const chains = Map.groupBy(steps, (row: { response_id: string }) => row.response_id) as Map<
    string,
    Selectable<ResponseStepsTable>[]
  >;
  // A turn that carries its own context needs nothing of what came before it.
  const from = Math.max(
    0,
    ids.findLastIndex((turn) => requests.get(turn)?.context !== undefined),
  );
  return ids.slice(from).flatMap((turn) => {
    const request = requests.get(turn);
    if (!request) return [];
    const items = [...(request.context ?? []), ...request.body.input];
    return [{ items, chain: (chains.get(turn) ?? []).map(toStep) }];
  });
}

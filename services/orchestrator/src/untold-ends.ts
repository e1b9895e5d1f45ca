/**
 * Finds responses that have ended and whose logs do not say so, because the process that had committed the end could not
 * tell it any more. Each end is looked at once by all orchestrators together, some time after it; how far they have come
 * stands in Postgres.
 */
import type { ResponseId } from '@tailrace/protocol';
import { sql } from 'kysely';
import { eachApart } from './apart.ts';
import type { OrchestratorContext } from './context.ts';
import { endLogOf } from './end-log.ts';
import { isTemporary } from './temporary-error.ts';

/** The most ends that are read at once. */
const PAGE = 200;
/** The most pages of one round. */
const PAGES = 50;
/** How far an installation looks back that has never looked. */
const FIRST = '1 hour';
const NAME = 'ends looked at';

/** An end that has been looked at, and all before it. */
interface Place {
  /** As Postgres writes it: to the microsecond. */
  at: string;
  id: ResponseId;
}

/** One round, over the ends that are older than `afterMs`. @returns how many logs have got their ends. */
export async function tellEnds(context: OrchestratorContext, afterMs: number, signal: AbortSignal): Promise<number> {
  let told = 0;
  for (let pages = 0; pages < PAGES && !signal.aborted; pages += 1) {
    const from = await readPlace(context);
    const rows = await endedResponses(context, from, afterMs).execute();
    const last = rows.at(-1);
    if (!last) break;
    const round = await eachApart(context, 'to tell its end', rows, signal, async ({ id }, within) => {
      const lacked = await endLogOf(context, id, within);
      if (lacked) context.log.warn({ response_id: id }, 'a log has got the end that it lacked');
      return lacked;
    });
    told += round.done;
    // What may be done when it is tried again is; what never can be is told in the log alone.
    if (signal.aborted || round.failures.some(isTemporary)) break;
    await writePlace(context, from, { at: last.at, id: last.id });
    if (rows.length < PAGE) break;
  }
  return told;
}

/** The responses that have ended after a place, and longer ago than `afterMs`, in their order. */
export function endedResponses({ database }: Pick<OrchestratorContext, 'database'>, from: Place, afterMs: number) {
  return database
    .selectFrom('responses')
    .select(['id', sql<string>`updated_at::text`.as('at')])
    .where('ended_at', 'is not', null)
    .where(sql<boolean>`(updated_at, id) > (${from.at}::timestamptz, ${from.id}::uuid)`)
    .where(sql<boolean>`updated_at < now() - ${afterMs} * interval '1 millisecond'`)
    .orderBy('updated_at')
    .orderBy('id')
    .limit(PAGE);
}

async function readPlace({ database }: OrchestratorContext): Promise<Place> {
  await database
    .insertInto('installation')
    .values({
      name: NAME,
      value: sql<string>`json_build_object('at', (now() - ${FIRST}::interval)::text, 'id', ${NOBODY}::text)::text`,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const row = await database
    .selectFrom('installation')
    .select('value')
    .where('name', '=', NAME)
    .executeTakeFirstOrThrow();
  return JSON.parse(row.value) as Place;
}

const NOBODY = '00000000-0000-0000-0000-000000000000';

/** Unless another orchestrator has come further meanwhile. */
async function writePlace({ database }: OrchestratorContext, from: Place, to: Place): Promise<void> {
  await database
    .updateTable('installation')
    .set({ value: JSON.stringify(to) })
    .where('name', '=', NAME)
    .where(sql<boolean>`(value::json ->> 'at', value::json ->> 'id') = (${from.at}, ${from.id})`)
    .execute();
}

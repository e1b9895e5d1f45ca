/**
 * Notices that JetStream has lost its data, and takes up again what was running: at once, where the sweep would wait until
 * it is sure. Postgres knows which streams the logs were in; one orchestrator finds that they are others, and acts.
 */
import { logStream } from '@tailrace/bus';
import { readEnd } from '@tailrace/log';
import type { ResponseId } from '@tailrace/protocol';
import { resume } from './commands.ts';
import type { OrchestratorContext } from './context.ts';
import { logOf } from './projector.ts';
import { countAttempt } from './record-result.ts';

/** The most responses that are read at once. */
const PAGE = 200;

/** One look. @returns how many responses were taken up again. */
export async function recoverLostLogs(context: OrchestratorContext, signal: AbortSignal): Promise<number> {
  let resumed = 0;
  for (let partition = 0; partition < context.partitions; partition += 1) {
    const made = await newStreamSince(context, logStream(partition));
    if (made !== undefined) resumed += await resumeAll(context, made, signal);
  }
  return resumed;
}

/**
 * When a stream was made that stands in the place of the one that the installation has known; undefined when it is that
 * one. Whoever hears of it first remembers it for all.
 */
async function newStreamSince(context: OrchestratorContext, stream: string): Promise<Date | undefined> {
  const { created } = await context.bus.jsm.streams.info(stream);
  const name = `stream ${stream}`;
  const { database } = context;
  const known = await database.selectFrom('installation').select('value').where('name', '=', name).executeTakeFirst();
  if (known?.value === created) return undefined;
  const changed = await database
    .insertInto('installation')
    .values({ name, value: created })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet({ value: created }).where('installation.value', '<>', created),
    )
    .returning('name')
    .execute();
  // Without anything to compare it with there is nothing that it could have replaced.
  return known === undefined || changed.length === 0 ? undefined : new Date(created);
}

/** Takes up the live responses that are older than a stream, and have no log in it. */
async function resumeAll(context: OrchestratorContext, made: Date, signal: AbortSignal): Promise<number> {
  let resumed = 0;
  let after: ResponseId | undefined;
  for (;;) {
    const rows = await liveResponses(context, made, after).execute();
    for (const { id, correlation_id } of rows) {
      if (signal.aborted) return resumed;
      if ((await readEnd(logOf(context, id))) !== undefined) continue;
      const stored = await countAttempt(context.database, id, 0);
      if (!stored) continue;
      context.log.warn({ response_id: id }, 'the log of a live response is lost; it is taken up again');
      await resume(context, stored, correlation_id, signal, { running: 'leave' });
      resumed += 1;
    }
    after = rows.at(-1)?.id;
    if (rows.length < PAGE) return resumed;
  }
}

/** The live responses that were accepted before a time, after an id, in the order of their ids. */
export function liveResponses(
  context: Pick<OrchestratorContext, 'database'>,
  before: Date,
  after: ResponseId | undefined,
) {
  const query = context.database
    .selectFrom('responses')
    .select(['id', 'correlation_id'])
    .where('ended_at', 'is', null)
    .where('accepted_at', '<', before)
    .orderBy('id')
    .limit(PAGE);
  return after === undefined ? query : query.where('id', '>', after);
}

/** Answers workers that ask where a step stands: what has been done is not done again, and some things not even tried twice. */
import {
  type Desk,
  decodeMessage,
  encodeMessage,
  openDesk,
  STEP_HOLD_MS,
  STEP_SUBJECT,
  type StepAnswer,
  type StepQuestion,
} from '@tailrace/bus';
import { DATABASE_TIME, type Tables } from '@tailrace/database';
import { type Kysely, sql } from 'kysely';
import type { OrchestratorContext } from './context.ts';

/**
 * One orchestrator answers each question, and `most` at once. Without an answer the worker is careful, or asks again: so it
 * does beyond that, when Postgres has stopped answering anyway.
 */
export function answerAboutSteps(context: OrchestratorContext, most: number): Desk {
  const { bus, log } = context;
  return openDesk(
    { nc: bus.nc, log },
    {
      subject: STEP_SUBJECT,
      queue: 'orchestrators',
      most,
      async answer(message) {
        const question = decodeMessage<StepQuestion>(message.subject, message.data);
        message.respond(encodeMessage(await stepAnswer(context, question)));
      },
      refuse: () => log.warn({ most }, 'a question about a step stays open: as many are as are answered at once'),
    },
  );
}

/** Not the transaction's time: it may have waited for its lock. */
const CLOCK = sql<Date>`clock_timestamp()`;
/** Milliseconds since an attempt was last told that the step is its own; null where none was. */
export const SINCE_TAKEN = sql<number | null>`(extract(epoch FROM clock_timestamp() - taken_at) * 1000)::float8`;

async function stepAnswer({ database }: OrchestratorContext, question: StepQuestion): Promise<StepAnswer> {
  const { responseId, stepId, begins, startedAt, once } = question;
  if (begins === null) return standing(database, question);
  return database.transaction().execute(async (tx) => {
    // Whatever ends the step holds the same lock: it has come to an end before this, or finds that it was taken over.
    await tx.selectFrom('responses').select('id').where('id', '=', responseId).forUpdate().executeTakeFirst();
    const answer = await standing(tx, question);
    if (answer.ended || answer.later !== undefined || answer.wait !== undefined || (once && answer.begun))
      return answer;
    const by = new Date(startedAt);
    const begun = once && { state: 'processing' as const, started_at: by };
    await tx
      .updateTable('response_steps')
      .set({ attempt: begins, taken_at: CLOCK, taken_by: by, ...begun })
      .where('response_id', '=', responseId)
      .where('id', '=', stepId)
      .execute();
    // Who takes a step is at it: no sweep is to take it for lost, however long it has lain in its queue.
    await tx.updateTable('responses').set({ updated_at: DATABASE_TIME }).where('id', '=', responseId).execute();
    return answer;
  });
}

async function standing(
  database: Kysely<Tables>,
  { responseId, stepId, begins, startedAt, once }: StepQuestion,
): Promise<StepAnswer> {
  const step = await database
    .selectFrom('response_steps')
    .select(['attempt', 'started_at', 'ended_entry', 'taken_by', SINCE_TAKEN.as('since_taken')])
    .where('response_id', '=', responseId)
    .where('id', '=', stepId)
    .executeTakeFirst();
  if (!step) return { begun: true, ended: true };
  const { attempt, started_at, ended_entry, taken_by, since_taken } = step;
  const others = taken_by !== null && taken_by.getTime() !== startedAt;
  const held = begins !== null && others && since_taken !== null && since_taken < STEP_HOLD_MS;
  return {
    // It may have said so itself: that it is at it, or this very question.
    begun: started_at !== null && !(once && started_at.getTime() === startedAt),
    ended: ended_entry !== null,
    ...(begins !== null && attempt > begins ? { later: attempt } : {}),
    ...(held ? { wait: Math.ceil(STEP_HOLD_MS - since_taken) } : {}),
  };
}

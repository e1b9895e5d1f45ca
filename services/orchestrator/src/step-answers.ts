/** Answers workers that ask where a step stands: what has been done is not done again, and some things not even tried twice. */
import { decodeMessage, encodeMessage, STEP_SUBJECT, type StepAnswer, type StepQuestion } from '@tailrace/bus';
import type { Tables } from '@tailrace/database';
import { type Kysely, sql } from 'kysely';
import type { OrchestratorContext } from './context.ts';

/** Answers until the connection is closed; one orchestrator answers each question. */
export function answerAboutSteps(context: OrchestratorContext): void {
  context.bus.nc.subscribe(STEP_SUBJECT, {
    queue: 'orchestrators',
    callback: (error, message) => {
      if (error) return;
      const question = decodeMessage<StepQuestion>(message.subject, message.data);
      stepAnswer(context, question).then(
        (answer) => message.respond(encodeMessage(answer)),
        // Without an answer the worker is careful.
        (failure: unknown) => context.log.warn({ err: failure, step_id: question.stepId }, 'a question stays open'),
      );
    },
  });
}

async function stepAnswer({ database }: OrchestratorContext, question: StepQuestion): Promise<StepAnswer> {
  const { responseId, stepId, begins } = question;
  if (begins === null) return standing(database, question);
  return database.transaction().execute(async (tx) => {
    // Whatever ends the step holds the same lock: it has come to an end before this, or finds that it was taken over.
    await tx.selectFrom('responses').select('id').where('id', '=', responseId).forUpdate().executeTakeFirst();
    const answer = await standing(tx, question);
    if (!answer.ended) {
      await tx
        .updateTable('response_steps')
        .set((columns) => ({ attempt: sql`GREATEST(${columns.ref('attempt')}, ${begins})` }))
        .where('response_id', '=', responseId)
        .where('id', '=', stepId)
        .execute();
    }
    return answer;
  });
}

async function standing(database: Kysely<Tables>, { responseId, stepId }: StepQuestion): Promise<StepAnswer> {
  const step = await database
    .selectFrom('response_steps')
    .select(['started_at', 'ended_entry'])
    .where('response_id', '=', responseId)
    .where('id', '=', stepId)
    .executeTakeFirst();
  if (!step) return { begun: true, ended: true };
  return { begun: step.started_at !== null, ended: step.ended_entry !== null };
}

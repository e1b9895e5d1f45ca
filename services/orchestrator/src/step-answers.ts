/** Answers workers that ask where a step stands: what has been done is not done again, and some things not even tried twice. */
import { decodeMessage, encodeMessage, STEP_SUBJECT, type StepAnswer, type StepQuestion } from '@tailrace/bus';
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

async function stepAnswer(
  { database }: OrchestratorContext,
  { responseId, stepId }: StepQuestion,
): Promise<StepAnswer> {
  const step = await database
    .selectFrom('response_steps')
    .select(['started_at', 'ended_entry'])
    .where('response_id', '=', responseId)
    .where('id', '=', stepId)
    .executeTakeFirst();
  if (!step) return { begun: true, ended: true };
  return { begun: step.started_at !== null, ended: step.ended_entry !== null };
}

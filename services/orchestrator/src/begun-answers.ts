/** Answers workers that ask whether a step has been begun before: what must not be done twice depends on it. */
import { BEGUN_SUBJECT, type BegunQuestion, decodeMessage, encodeMessage } from '@tailrace/bus';
import type { OrchestratorContext } from './context.ts';

/** Answers until the connection is closed; one orchestrator answers each question. */
export function answerWhetherBegun(context: OrchestratorContext): void {
  context.bus.nc.subscribe(BEGUN_SUBJECT, {
    queue: 'orchestrators',
    callback: (error, message) => {
      if (error) return;
      const question = decodeMessage<BegunQuestion>(message.subject, message.data);
      wasBegun(context, question).then(
        (begun) => message.respond(encodeMessage({ begun })),
        // Without an answer the worker takes it that the step was begun.
        (failure: unknown) => context.log.warn({ err: failure, step_id: question.stepId }, 'a question stays open'),
      );
    },
  });
}

async function wasBegun({ database }: OrchestratorContext, { responseId, stepId }: BegunQuestion): Promise<boolean> {
  const step = await database
    .selectFrom('response_steps')
    .select('started_at')
    .where('response_id', '=', responseId)
    .where('id', '=', stepId)
    .executeTakeFirst();
  return step === undefined || step.started_at !== null;
}

/** Hands steps to the workers. */
import { encodeMessage, type LogPosition, publishUntilStored, type Work, workSubject } from '@tailrace/bus';
import { chatRequest, outputOf, type Step } from '@tailrace/chain';
import { loadTurns, type StoredResponse } from '@tailrace/database';
import type { OrchestratorContext } from './context.ts';

/** How a step is handed out. */
export interface Dispatch {
  step: Step;
  /** Where the log ends; a model call writes on from there. */
  position: LogPosition;
  /** The step may have been handed out before. */
  takeover: boolean;
}

/** Publishes a step's work. The same step and attempt is stored once within the stream's window. */
export async function dispatch(
  context: OrchestratorContext,
  stored: StoredResponse,
  { step, position, takeover }: Dispatch,
  correlationId: string,
  signal: AbortSignal,
): Promise<void> {
  const common = { responseId: stored.record.id, stepId: step.id, attempt: step.attempt, correlationId };
  let work: Work;
  let subject: string;
  switch (step.kind) {
    case 'model_call': {
      const { model } = step.request;
      const { previousResponseId, request } = stored.record;
      const earlier = previousResponseId === null ? [] : await loadTurns(context.database, previousResponseId);
      const chat = chatRequest([...earlier, { request, chain: stored.chain }]);
      const outputIndex = outputOf(stored.chain).length;
      work = { kind: step.kind, ...common, model, chat, log: position, outputIndex, takeover };
      subject = workSubject({ kind: 'model', name: model }, 'default');
      break;
    }
    case 'tool_call': {
      const { tool, arguments: text } = step.request;
      work = { kind: step.kind, ...common, tool, arguments: text };
      subject = workSubject({ kind: 'tool', name: tool }, 'default');
      break;
    }
  }
  await publishUntilStored(context.bus, subject, encodeMessage(work), `${step.id}.${step.attempt}`, signal);
}

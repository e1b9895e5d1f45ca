/** Hands steps to the workers. */
import { encodeMessage, type LogPosition, publishUntilStored, type Work, workSubject } from '@tailrace/bus';
import { fitPrompt, outputOf, type Prompt, type Step } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import { promptTokens } from '@tailrace/tokens';
import type { OrchestratorContext } from './context.ts';
import { loadPrompt } from './history.ts';

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
      const prompt = await fittingPrompt(context, stored);
      const outputIndex = outputOf(stored.chain).length;
      work = { kind: step.kind, ...common, model, prompt, log: position, outputIndex, takeover };
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

/** What the model is told: cut to its window where the client allows that, and the operator has said how much it holds. */
async function fittingPrompt(context: OrchestratorContext, { record, chain }: StoredResponse): Promise<Prompt> {
  const whole = await loadPrompt(context, record, chain);
  const { context_window: window, body } = record.request;
  if (!window || body.truncation !== 'auto') return whole;
  return fitPrompt(whole, window - (whole.max_output_tokens ?? 0), promptTokens);
}

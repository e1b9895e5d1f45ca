/** Hands steps to the workers. */
import {
  encodeMessage,
  type LogPosition,
  publishUntilStored,
  type ToolWork,
  type Work,
  workSubject,
} from '@tailrace/bus';
import {
  agentPlaceOf,
  contextWindowOf,
  fitPrompt,
  heldBackTools,
  mcpServerOf,
  outputOf,
  type Prompt,
  parametersOf,
  type Scope,
  type Step,
  type ToolStep,
} from '@tailrace/chain';
import type { LoadedResponse, StoredResponse } from '@tailrace/database';
import { promptTokens } from '@tailrace/tokens';
import type { OrchestratorContext } from './context.ts';
import { loadPrompt } from './history.ts';
import { sourceOf } from './step-work.ts';

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
  stored: LoadedResponse,
  { step, position, takeover }: Dispatch,
  correlationId: string,
  signal: AbortSignal,
): Promise<void> {
  const common = {
    responseId: stored.record.id,
    stepId: step.id,
    attempt: step.attempt,
    handedOutAt: stored.asOf,
    correlationId,
  };
  const { record, chain } = stored;
  let work: Work;
  switch (step.kind) {
    case 'model_call': {
      const { model } = step.request;
      const scope = step.parentStepId;
      work = {
        kind: step.kind,
        ...common,
        model,
        prompt: await fittingPrompt(context, stored, scope),
        log: position,
        outputIndex: outputOf(chain, scope).length,
        agent: agentPlaceOf(record.request, chain, step),
        heldBack: heldBackTools(record.request, chain, scope),
        takeover,
      };
      break;
    }
    case 'tool_call': {
      const { tool, arguments: text } = step.request;
      const parameters = parametersOf(record.request, chain, step);
      work = { kind: step.kind, ...common, tool, arguments: text, parameters, mcp: mcpOf(stored, step), takeover };
      break;
    }
  }
  const subject = workSubject(sourceOf(stored, step), 'default');
  await publishUntilStored(context.bus, subject, encodeMessage(work), `${step.id}.${step.attempt}`, signal);
}

/** What the model is told: cut to its window where the client allows that, and the operator has said how much it holds. */
async function fittingPrompt(
  context: OrchestratorContext,
  { record, chain }: StoredResponse,
  scope: Scope,
): Promise<Prompt> {
  const whole = await loadPrompt(context, record, chain, scope);
  const window = contextWindowOf(record.request, chain, scope);
  if (!window || record.request.body.truncation !== 'auto') return whole;
  return fitPrompt(whole, window - (whole.max_output_tokens ?? 0), promptTokens);
}

/** What an MCP server is asked for; null when the tool is none of a server's. */
function mcpOf({ record, chain }: StoredResponse, step: ToolStep): ToolWork['mcp'] {
  const server = mcpServerOf(record.request, chain, step);
  const { mcp: act } = step.request;
  return server && act ? { act, server } : null;
}

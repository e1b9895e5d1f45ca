/** Calls of the client's own functions, and whether a request answers them. Pure. */
import { type AcceptedRequest, liveCalls, type Step, stepsOf } from '@tailrace/chain';
import { ApiError, type KeptItem } from '@tailrace/protocol';

/**
 * Every call has one output after it, and every output a call before it: model servers refuse anything else. What is only
 * summed up may have calls that are still open.
 * @throws ApiError `unknown_call_id`, `tool_output_missing`
 */
export function checkCalls(
  open: readonly string[],
  { body: { input }, purpose }: Pick<AcceptedRequest, 'body' | 'purpose'>,
): void {
  const waiting = new Set(open);
  for (const item of input) {
    if (item.type === 'function_call') waiting.add(item.call_id);
    if (item.type !== 'function_call_output' || waiting.delete(item.call_id)) continue;
    throw new ApiError('unknown_call_id', { call_id: item.call_id }, { param: 'input' });
  }
  const [missing] = waiting;
  if (missing === undefined || purpose === 'compaction') return;
  throw new ApiError('tool_output_missing', { call_id: missing }, { param: 'input' });
}

/** The calls of the response's own last model step that nothing has answered. */
export function openCallsOf(chain: readonly Step[]): string[] {
  const steps = stepsOf(chain, null);
  const model = steps.findLast((step) => step.kind === 'model_call');
  if (model?.kind !== 'model_call' || model.outcome.state !== 'completed') return [];
  const run = new Set(steps.flatMap((step) => (step.kind === 'tool_call' ? [step.request.call_id] : [])));
  return liveCalls(model.outcome.result)
    .map((call) => call.call_id)
    .filter((call) => !run.has(call));
}

/** The calls among items that no item after them answers. */
export function openCallsAmong(items: readonly KeptItem[]): string[] {
  const waiting = new Set<string>();
  for (const item of items) {
    if (item.type === 'function_call') waiting.add(item.call_id);
    if (item.type === 'function_call_output') waiting.delete(item.call_id);
  }
  return [...waiting];
}

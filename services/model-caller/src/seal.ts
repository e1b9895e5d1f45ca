/** What a model step came to beside its events: the last log message carries it, so that a successor finds the step done. */
import type { FinishReason, ModelResult, RecordedItem } from '@tailrace/chain';
import type { ErrorInfo, ModelItem, Usage } from '@tailrace/protocol';

/** The end of a model step. */
export interface StepEnd {
  finish: FinishReason;
  usage: Usage | null;
  /** Null when the upstream says nothing. */
  serviceTier: string | null;
  /** Null when the call succeeded. */
  error: ErrorInfo | null;
}

interface Seal extends StepEnd {
  /** What only the server knows of each item. */
  items: Omit<RecordedItem, 'item'>[];
}

/** The text of a seal. */
export function encodeSeal(end: StepEnd, items: readonly RecordedItem[]): string {
  const seal: Seal = { ...end, items: items.map(({ item: _item, ...rest }) => rest) };
  return JSON.stringify(seal);
}

/** The end of a step from its seal and the fold of its events. */
export function decodeSeal(text: string, items: readonly ModelItem[]): { end: StepEnd; result: ModelResult } {
  const { items: details, ...end } = JSON.parse(text) as Seal;
  return {
    end,
    result: resultOf(
      end,
      items.map((item, index) => ({ item, ...details[index] })),
    ),
  };
}

/** What a step produced. */
export function resultOf({ finish, usage, serviceTier }: StepEnd, items: RecordedItem[]): ModelResult {
  return { items, finish, usage, ...(serviceTier === null ? {} : { service_tier: serviceTier }) };
}

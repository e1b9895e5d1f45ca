/** What the models of a world answer. */
import { itemId, type ModelItem, type OutputContent, type OutputItem } from '@tailrace/protocol';
import fc from 'fast-check';
import type { FinishReason, ModelResult, Step } from '../src/index.ts';
import { AGENTS, CLIENT_TOOL, MCP_NAMES, SERVER_TOOLS } from './offers.ts';

/** An item that a model will answer with. */
interface PlannedItem {
  kind: 'text' | 'refusal' | 'reasoning' | 'summary' | 'call';
  /** One for each part; a call's arguments are all of them together. */
  texts: string[];
  /** Whether a text has sources and logprobs, and reasoning is encrypted. */
  rich: boolean;
  tool: string;
  status: 'completed' | 'incomplete';
  superseded: boolean;
  upstreamId: boolean;
}

/** What a model call will come to. */
export interface PlannedAnswer {
  items: PlannedItem[];
  finish: FinishReason;
  outputTokens: number | null;
  failure: 'none' | 'with items' | 'without items';
}

const item: fc.Arbitrary<PlannedItem> = fc.record({
  kind: fc.constantFrom('text', 'refusal', 'reasoning', 'summary', 'call', 'call', 'call', 'call', 'call'),
  texts: fc.array(fc.oneof(fc.string({ maxLength: 6 }), fc.constant('{"input":"do it"}')), { maxLength: 2 }),
  rich: fc.boolean(),
  tool: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...SERVER_TOOLS) },
    { weight: 9, arbitrary: fc.constantFrom(...AGENTS) },
    { weight: 6, arbitrary: fc.constantFrom(...MCP_NAMES) },
    { weight: 1, arbitrary: fc.constantFrom(CLIENT_TOOL, 'nobody_knows') },
  ),
  status: fc.oneof({ weight: 9, arbitrary: fc.constant('completed' as const) }, fc.constant('incomplete' as const)),
  superseded: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  upstreamId: fc.boolean(),
});

/** Any answer. */
export const answers: fc.Arbitrary<PlannedAnswer> = fc.record({
  items: fc.array(item, { maxLength: 4 }),
  finish: fc.oneof(
    { weight: 12, arbitrary: fc.constant('stop' as const) },
    fc.constantFrom('length' as const, 'content_filter' as const),
  ),
  outputTokens: fc.option(fc.nat(20)),
  failure: fc.oneof(
    { weight: 12, arbitrary: fc.constant('none' as const) },
    fc.constantFrom('with items' as const, 'without items' as const),
  ),
});

/** The answer of a model that has nothing more to do. */
export const LAST_WORD: PlannedAnswer = {
  items: [
    {
      kind: 'text',
      texts: ['Done.'],
      rich: false,
      tool: '',
      status: 'completed',
      superseded: false,
      upstreamId: false,
    },
  ],
  finish: 'stop',
  outputTokens: 1,
  failure: 'none',
};

/** The result of the model step that is answered so; calls of what is held back are not shown. */
export function resultOfPlan(plan: PlannedAnswer, step: Step, heldBack: readonly string[]): ModelResult {
  const tokens = plan.outputTokens;
  return {
    items: plan.items.map((planned, position) => ({
      item: outputItem(planned, step, position),
      ...(planned.kind === 'call' && planned.upstreamId ? { upstream_call_id: `up_${position}` } : {}),
      ...(planned.kind === 'call' && heldBack.includes(planned.tool) ? { held_back: true as const } : {}),
      ...(planned.superseded ? { superseded: true as const } : {}),
    })),
    finish: plan.finish,
    usage:
      tokens === null
        ? null
        : {
            input_tokens: 1,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens: tokens,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: 1 + tokens,
          },
    ...(tokens !== null && tokens % 2 === 0 ? { service_tier: 'flex' } : {}),
  };
}

function outputItem({ kind, texts, rich, tool, status }: PlannedItem, step: Step, position: number): ModelItem {
  const id = (of: OutputItem['type'] | 'call') => itemId(of, step.id, position);
  const message = { type: 'message' as const, id: id('message'), status, role: 'assistant' as const };
  const reasoning = {
    type: 'reasoning' as const,
    id: id('reasoning'),
    status,
    ...(rich ? { encrypted_content: `sealed ${position}` } : {}),
  };
  switch (kind) {
    case 'call': {
      const call = { type: 'function_call' as const, id: id('function_call'), status, call_id: id('call') };
      return { ...call, name: tool, arguments: texts.join('') };
    }
    case 'reasoning':
      return { ...reasoning, summary: [], content: texts.map((text) => ({ type: 'reasoning_text', text })) };
    case 'summary':
      return { ...reasoning, summary: texts.map((text) => ({ type: 'summary_text', text })), content: [] };
    case 'refusal':
      return { ...message, content: texts.map((text) => ({ type: 'refusal', refusal: text })) };
    case 'text':
      return {
        ...message,
        content: texts.map((text) => ({
          type: 'output_text',
          text,
          annotations: rich ? [{ type: 'url_citation', url: text, start_index: 0, end_index: 1, title: text }] : [],
          logprobs: rich ? [{ token: text, logprob: -1, bytes: [0], top_logprobs: [] }] : [],
        })) satisfies OutputContent[],
      };
  }
}

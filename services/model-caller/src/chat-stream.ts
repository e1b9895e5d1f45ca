/** What a chat-completions server streams, as operations on the output. Pure: one chunk in, operations out. */
import type { FinishReason } from '@tailrace/chain';
import { ApiError, type LogProb, type Usage } from '@tailrace/protocol';
import { z } from 'zod';
import { ChatCalls } from './chat-calls.ts';
import { type ChatChoice, type ChatChunk, type ChatDelta, type ChatUsage, chatChunk } from './chat-chunk.ts';
import { toCitation } from './citation.ts';
import { toLogProbs } from './log-probs.ts';
import type { ModelOp, Translator } from './model-op.ts';
import { toUsage } from './usage.ts';

/** Where the one call of the deprecated `function_call` stands among the indexes of calls. */
const FUNCTION_CALL_INDEX = -1;

/** Remembers, across the chunks of one answer, what has begun. */
export class ChatTranslator implements Translator {
  readonly #calls = new ChatCalls();
  /** Of tokens whose text has not come yet, because it ends inside a character. */
  #logprobs: LogProb[] = [];
  /** Whether the model has gone on from thinking to its answer. */
  #answering = false;

  translate(value: unknown): ModelOp[] {
    const result = chatChunk.safeParse(value);
    if (!result.success) {
      throw new ApiError('upstream_invalid', { reason: result.error.issues[0]?.message ?? 'unknown shape' });
    }
    const { choices, service_tier: tier } = result.data;
    const choice = choices?.find((each) => (each.index ?? 0) === 0);
    const error = errorIn(result.data, choice);
    if (error !== null) throw new ApiError('upstream_error', { status: 'in its stream', reason: error });
    const part = choice?.delta ?? choice?.message;
    const ops: ModelOp[] = part ? this.#delta(part, choice?.logprobs) : [];
    if (choice?.finish_reason) {
      this.end();
      ops.push({ type: 'finish', reason: finishReason(choice.finish_reason) });
    }
    const usage = result.data.usage ?? choice?.usage;
    if (usage) ops.push({ type: 'usage', usage: chatUsage(usage) });
    if (tier) ops.push({ type: 'service_tier', tier });
    return ops;
  }

  end(): void {
    this.#calls.end();
  }

  #delta(delta: ChatDelta, logprobs: unknown): ModelOp[] {
    const { content, thinking, refusal } = contentOf(delta);
    const ops = reasoningOps(delta, thinking, this.#answering);
    const said = ops.length > 0;
    const text = this.#text(content, logprobs, said || (delta.tool_calls?.length ?? 0) > 0);
    if (text) ops.push(text);
    for (const annotation of delta.annotations ?? []) ops.push(...annotationOps(annotation));
    if (refusal) ops.push({ type: 'refusal', text: refusal });
    for (const call of delta.tool_calls ?? []) ops.push(...this.#calls.add(call));
    if (delta.function_call) {
      ops.push(...this.#calls.add({ index: FUNCTION_CALL_INDEX, function: delta.function_call }));
    }
    this.#answering ||= ops.some(({ type }) => type === 'text' || type === 'refusal' || type === 'call');
    return ops;
  }

  /** The text with the probabilities of its tokens; those of thoughts and calls are not told. */
  #text(text: string, logprobs: unknown, other: boolean): ModelOp | undefined {
    const told = [...this.#logprobs, ...logProbsOf(logprobs)];
    this.#logprobs = text === '' && !other ? told : [];
    if (text === '') return undefined;
    return told.length === 0 ? { type: 'text', text } : { type: 'text', text, logprobs: told };
  }
}

const probabilities = z.object({ content: z.unknown().optional() });

/** Most servers tell none: then nothing is looked at. */
function logProbsOf(value: unknown): LogProb[] {
  if (value === undefined || value === null) return [];
  const { content } = probabilities.safeParse(value).data ?? {};
  return toLogProbs(content);
}

/** A delta's content: plain, or in parts. */
function contentOf(delta: ChatDelta): { content: string; thinking: string; refusal: string } {
  const refusal = delta.refusal ?? '';
  if (!Array.isArray(delta.content)) return { content: delta.content ?? '', thinking: '', refusal };
  const all = { content: '', thinking: '', refusal };
  for (const part of delta.content) {
    if (typeof part === 'string') {
      all.content += part;
      continue;
    }
    const { thinking } = part;
    all.content += part.text ?? '';
    all.refusal += part.refusal ?? '';
    all.thinking += typeof thinking === 'string' ? thinking : (thinking ?? []).map(({ text }) => text ?? '').join('');
  }
  return all;
}

/**
 * What the model thought: in one of several fields, which may hold the same. With OpenRouter `reasoning` repeats the
 * details; of a summary it is the same text again.
 */
function reasoningOps(delta: ChatDelta, thinking: string, answering: boolean): ModelOp[] {
  const details = delta.reasoning_details ?? [];
  const texts = (type: string, field: 'text' | 'summary') =>
    details.map((detail) => (detail.type === type ? (detail[field] ?? '') : '')).join('');
  const summary = texts('reasoning.summary', 'summary');
  const plain = delta.reasoning_content || delta.reasoning || thinking || texts('reasoning.text', 'text');
  const ops: ModelOp[] = [];
  if (plain && plain !== summary) ops.push({ type: 'reasoning', text: plain });
  if (summary) ops.push({ type: 'summary', text: summary });
  const encrypted = details.findLast((detail) => detail.type === 'reasoning.encrypted' && detail.data)?.data;
  // What comes after the thinking is over belongs to an item that has ended.
  if (encrypted && !answering) ops.push({ type: 'encrypted', content: encrypted });
  return ops;
}

const citation = z.object({ type: z.literal('url_citation'), url_citation: z.unknown().optional() });

function annotationOps(value: unknown): ModelOp[] {
  const result = citation.safeParse(value);
  const annotation = result.success ? toCitation(result.data.url_citation) : undefined;
  return annotation ? [{ type: 'annotation', annotation }] : [];
}

/** The reason in an error object, which is the value of `error` or, with some servers, the chunk itself. */
function errorIn({ error, object, message }: ChatChunk, choice: ChatChoice | undefined): string | null {
  const unknown = 'no reason given';
  if (object === 'error') return message || unknown;
  if (error) return (typeof error === 'string' ? error : error.message) || unknown;
  return choice?.finish_reason === 'error' ? unknown : null;
}

/** Why the model stopped; Mistral's and some other servers' names for the limit are their own. */
function finishReason(reason: string): FinishReason {
  switch (reason) {
    case 'length':
    case 'max_tokens':
    case 'model_length':
      return 'length';
    case 'content_filter':
      return 'content_filter';
    default:
      return 'stop';
  }
}

function chatUsage(usage: ChatUsage): Usage {
  return toUsage({
    input: usage.prompt_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens,
    output: usage.completion_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens,
    total: usage.total_tokens,
  });
}

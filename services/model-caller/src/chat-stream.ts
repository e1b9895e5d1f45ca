/** What a chat-completions server streams, as operations on the output. Pure: one chunk in, operations out. */
import type { FinishReason } from '@tailrace/chain';
import { ApiError, type Usage } from '@tailrace/protocol';
import { z } from 'zod';

/** A piece of a model's output, free of dialect. */
export type ModelOp =
  | { type: 'reasoning' | 'text' | 'refusal'; text: string }
  /** A call begins; `index` tells it from its siblings. */
  | { type: 'call'; index: number; id: string | null; name: string }
  | { type: 'arguments'; index: number; text: string }
  | { type: 'finish'; reason: FinishReason }
  | { type: 'usage'; usage: Usage };

const toolCall = z.object({
  index: z.number().int().nullish(),
  id: z.string().nullish(),
  function: z
    .object({
      name: z.string().nullish(),
      arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
    })
    .nullish(),
});

const delta = z.object({
  content: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  refusal: z.string().nullish(),
  tool_calls: z.array(toolCall).nullish(),
});

const tokens = z.number().nullish();
const chunk = z.object({
  choices: z
    .array(
      z.object({
        index: z.number().nullish(),
        delta: delta.nullish(),
        message: delta.nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: z
    .object({
      prompt_tokens: tokens,
      completion_tokens: tokens,
      total_tokens: tokens,
      prompt_tokens_details: z.object({ cached_tokens: tokens }).nullish(),
      completion_tokens_details: z.object({ reasoning_tokens: tokens }).nullish(),
    })
    .nullish(),
  error: z.union([z.string(), z.object({ message: z.string().nullish() })]).nullish(),
  object: z.string().nullish(),
  message: z.string().nullish(),
});

type Chunk = z.output<typeof chunk>;
type ToolCallDelta = z.output<typeof toolCall>;

/** A call that has begun in an answer. */
interface Call {
  /** Its place among the calls of the answer. */
  readonly ordinal: number;
  id: string | null;
  /** Null until it is known; what comes before it is held back. */
  name: string | null;
  held: string;
}

/** Remembers, across the chunks of one answer, which calls have begun. */
export class ChatTranslator {
  readonly #calls: Call[] = [];
  /** The call that each of the upstream's indexes stands for at present. */
  readonly #byIndex = new Map<number, Call>();
  #last: Call | undefined;

  /**
   * The operations in one chunk: a parsed `data:` line, or a whole completion from a server that does not stream.
   * @throws ApiError `upstream_error` for an error inside the stream, `upstream_invalid` for what is no chunk.
   */
  translate(value: unknown): ModelOp[] {
    const result = chunk.safeParse(value);
    if (!result.success) {
      throw new ApiError('upstream_invalid', { reason: result.error.issues[0]?.message ?? 'unknown shape' });
    }
    const { choices, usage } = result.data;
    const error = errorIn(result.data);
    if (error !== null) throw new ApiError('upstream_error', { status: 'in its stream', reason: error });
    const ops: ModelOp[] = [];
    const choice = choices?.find((each) => (each.index ?? 0) === 0);
    const part = choice?.delta ?? choice?.message;
    if (part) {
      const reasoning = part.reasoning_content || part.reasoning;
      if (reasoning) ops.push({ type: 'reasoning', text: reasoning });
      if (part.content) ops.push({ type: 'text', text: part.content });
      if (part.refusal) ops.push({ type: 'refusal', text: part.refusal });
      for (const call of part.tool_calls ?? []) ops.push(...this.#call(call));
    }
    if (choice?.finish_reason) {
      this.#checkNames();
      ops.push({ type: 'finish', reason: finishReason(choice.finish_reason) });
    }
    if (usage) ops.push({ type: 'usage', usage: toUsage(usage) });
    return ops;
  }

  #call(delta: ToolCallDelta): ModelOp[] {
    const call = this.#find(delta) ?? this.#begin();
    this.#last = call;
    if (typeof delta.index === 'number') this.#byIndex.set(delta.index, call);
    call.id ??= delta.id || null;
    const text = argumentsText(delta);
    const { ordinal: index, id } = call;
    if (call.name !== null) return text === '' ? [] : [{ type: 'arguments', index, text }];
    call.held += text;
    const name = delta.function?.name;
    if (!name) return [];
    call.name = name;
    const begun: ModelOp = { type: 'call', index, id, name };
    return call.held === '' ? [begun] : [begun, { type: 'arguments', index, text: call.held }];
  }

  #begin(): Call {
    const call: Call = { ordinal: this.#calls.length, id: null, name: null, held: '' };
    this.#calls.push(call);
    return call;
  }

  /** The call that a piece belongs to; undefined when it begins one. */
  #find({ index, id, function: of }: ToolCallDelta): Call | undefined {
    if (typeof index === 'number') {
      const call = this.#byIndex.get(index);
      // Some servers number every call 0, some give every piece of one call another id; only the former repeat a name.
      const another = call?.id && id && id !== call.id && call.name !== null && of?.name;
      return another ? undefined : call;
    }
    // Servers that send no index begin each call with its id or name, and send the rest without.
    if (id) return this.#calls.find((call) => call.id === id);
    return of?.name && this.#last?.name !== null ? undefined : this.#last;
  }

  #checkNames(): void {
    if (this.#calls.some((call) => call.name === null)) {
      throw new ApiError('upstream_invalid', { reason: 'a tool call has no name' });
    }
  }
}

function argumentsText({ function: of }: ToolCallDelta): string {
  const text = of?.arguments ?? '';
  return typeof text === 'string' ? text : JSON.stringify(text);
}

/** The reason in an error object, which is the value of `error` or, with some servers, the chunk itself. */
function errorIn({ error, object, message }: Chunk): string | null {
  if (object === 'error') return message || 'no reason given';
  if (!error) return null;
  return (typeof error === 'string' ? error : error.message) || 'no reason given';
}

function finishReason(reason: string): FinishReason {
  if (reason === 'length') return 'length';
  return reason === 'content_filter' ? 'content_filter' : 'stop';
}

function toUsage(usage: NonNullable<Chunk['usage']>): Usage {
  const input = usage.prompt_tokens ?? 0;
  const output = usage.completion_tokens ?? 0;
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.prompt_tokens_details?.cached_tokens ?? 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.completion_tokens_details?.reasoning_tokens ?? 0 },
    total_tokens: usage.total_tokens ?? input + output,
  };
}

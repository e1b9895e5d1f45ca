/** Which call each piece of a chat-completions stream belongs to. */
import { ApiError } from '@tailrace/protocol';
import type { ToolCallDelta } from './chat-chunk.ts';
import type { ModelOp } from './model-op.ts';

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
export class ChatCalls {
  readonly #calls: Call[] = [];
  /** The call that each of the upstream's indexes stands for at present. */
  readonly #byIndex = new Map<number, Call>();
  #last: Call | undefined;

  /** The operations in one piece of a call. */
  add(delta: ToolCallDelta): ModelOp[] {
    const call = this.#find(delta) ?? this.#begin();
    this.#last = call;
    if (typeof delta.index === 'number') this.#byIndex.set(delta.index, call);
    call.id ??= delta.id || null;
    const text = argumentsText(delta.function?.arguments);
    const { ordinal: index, id } = call;
    if (call.name !== null) return text === '' ? [] : [{ type: 'arguments', index, text }];
    call.held += text;
    const name = delta.function?.name;
    if (!name) return [];
    call.name = name;
    const begun: ModelOp = { type: 'call', index, id, name };
    return call.held === '' ? [begun] : [begun, { type: 'arguments', index, text: call.held }];
  }

  /**
   * No more pieces come.
   * @throws ApiError `upstream_invalid` for a call that nobody has named.
   */
  end(): void {
    if (this.#calls.some((call) => call.name === null)) {
      throw new ApiError('upstream_invalid', { reason: 'a tool call has no name' });
    }
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
}

/** Arguments as text: some servers send them parsed. */
export function argumentsText(value: string | Record<string, unknown> | null | undefined): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

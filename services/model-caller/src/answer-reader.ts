/** What a model answers, as clients are to see it: its server's stream, read as the request has asked for. */
import type { Prompt } from '@tailrace/chain';
import { ApiError } from '@tailrace/protocol';
import { CallFilter } from './call-filter.ts';
import type { Dialect } from './dialect.ts';
import type { ModelOp, Translator } from './model-op.ts';
import { ReasoningView } from './reasoning-view.ts';
import { UpstreamFailure } from './upstream-failure.ts';

/** See the file's head. One for each answer. */
export class AnswerReader {
  readonly #translator: Translator;
  readonly #calls: CallFilter;
  readonly #reasoning: ReasoningView;
  readonly #logprobs: boolean;

  /** `seal` makes the encrypted form of reasoning. */
  constructor(dialect: Dialect, prompt: Prompt, seal: (reasoning: string) => string) {
    this.#translator = dialect.translator();
    this.#calls = new CallFilter(prompt);
    this.#reasoning = new ReasoningView({
      asSummary: prompt.summary !== null && !dialect.summarises,
      encrypted: prompt.encrypted_reasoning,
      seal: dialect.summarises ? null : seal,
    });
    this.#logprobs = prompt.top_logprobs !== null;
  }

  /**
   * The operations in one parsed chunk.
   * @throws UpstreamFailure when it is an error, or no answer.
   */
  read(chunk: unknown): ModelOp[] {
    return failing(() => this.#translator.translate(chunk))
      .filter((op) => this.#calls.passes(op))
      .flatMap((op) =>
        this.#reasoning.show(this.#logprobs || op.type !== 'text' ? op : { type: 'text', text: op.text }),
      );
  }

  /**
   * The stream is over: what has been held back until then.
   * @throws UpstreamFailure when it ends in the middle of something.
   */
  end(): ModelOp[] {
    failing(() => this.#translator.end());
    return this.#reasoning.end();
  }
}

/** An answer that makes no sense is a failed call like any other. */
function failing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new UpstreamFailure(error, { status: 200, retryable: true });
  }
}

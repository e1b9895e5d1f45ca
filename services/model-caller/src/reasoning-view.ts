/** How a model's thoughts are shown to clients. Pure but for the seal. */
import type { ModelOp } from './model-op.ts';

/** What a client has asked for. */
export interface ReasoningViewOptions {
  /** Whether raw thoughts are told as a summary. */
  asSummary: boolean;
  /** Whether thoughts are handed out in a form that the client can carry. */
  encrypted: boolean;
  /** Makes that form of thoughts which come without one; null where only the upstream can. */
  seal: ((text: string) => string) | null;
}

/** Turns the operations of reasoning into what the client has asked for. */
export class ReasoningView {
  readonly #options: ReasoningViewOptions;
  /** Raw thoughts of the item that is being told, which nobody has sealed yet. */
  #thoughts = '';

  constructor(options: ReasoningViewOptions) {
    this.#options = options;
  }

  /** The operations that one amounts to. */
  show(op: ModelOp): ModelOp[] {
    switch (op.type) {
      case 'reasoning':
        this.#thoughts += op.text;
        return [this.#options.asSummary ? { type: 'summary', text: op.text } : op];
      case 'summary':
      case 'part':
      case 'usage':
      case 'service_tier':
        return [op];
      case 'encrypted':
        this.#thoughts = '';
        return this.#options.encrypted ? [op] : [];
      case 'text':
      case 'refusal':
      case 'annotation':
      case 'call':
      case 'arguments':
      case 'item':
      case 'finish':
        return [...this.end(), op];
    }
  }

  /** The answer is over. */
  end(): ModelOp[] {
    const text = this.#thoughts;
    this.#thoughts = '';
    const { encrypted, seal } = this.#options;
    return encrypted && seal && text !== '' ? [{ type: 'encrypted', content: seal(text) }] : [];
  }
}

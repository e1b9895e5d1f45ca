/** Every call that the demo model, its tools and the MCP server receive; the demo model's own log keeps the last 10,000 only. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from './record/index.ts';

const EVERY_MS = 1_000;
/** Well below what the log keeps, so that nothing is missed between two looks. */
const READ_AFTER = 3_000;
const ANSWER_MS = 30_000;

interface Stats {
  model_calls: number;
  tool_calls: number;
}

/** Reads one log whenever enough has come together. */
export class CallWatch {
  readonly #url: string;
  readonly #calls = new Map<string, Call>();
  readonly #over = new AbortController();
  readonly #watching: Promise<void>;
  #read = 0;

  /** `url` is the address of who tells of the calls, past whatever stands in front of it. */
  constructor(url: string) {
    this.#url = url;
    this.#watching = this.#watch();
    // A failure is told by stop().
    void Promise.allSettled([this.#watching]);
  }

  /** Reads what is left, and resolves with all calls in the order in which they came. */
  async stop(): Promise<Call[]> {
    this.#over.abort();
    await this.#watching;
    await this.#take();
    return [...this.#calls.values()].sort((a, b) => a.at - b.at);
  }

  async #watch(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const { model_calls, tool_calls } = await this.#get<Stats>('/_stats');
      const count = model_calls + tool_calls;
      if (count - this.#read >= READ_AFTER) {
        this.#read = count;
        await this.#take();
      }
      await Promise.race([sleep(EVERY_MS), aborted(this.#over.signal)]);
    }
  }

  async #take(): Promise<void> {
    // A call that was read while it ran is read again: the later look knows how it ended.
    for (const call of await this.#get<Call[]>('/_calls')) this.#calls.set(keyOf(call), judged(call));
  }

  async #get<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.#url}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (!answer.ok) throw new Error(`${this.#url}${path} answers ${answer.status}`);
    return (await answer.json()) as T;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** No two calls begin in the same microsecond. */
function keyOf({ kind, name, at }: Call): string {
  return `${kind} ${name} ${at}`;
}

function judged(call: Call): Call {
  const { kind, name, at, idempotency_key, client_request_id, messages_count, text, ended, closed_at } = call;
  return { kind, name, at, idempotency_key, client_request_id, messages_count, text, ended, closed_at };
}

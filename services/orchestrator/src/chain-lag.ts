/**
 * How far behind the orchestrators are with what they are told. While a report waits in their queue its step is silent and
 * not lost: a silence counts up to the moment until which everything has been heard.
 */
import { CHAIN_STREAM } from '@tailrace/bus';
import type { OrchestratorContext } from './context.ts';

/** What the stream held at a moment of this process's monotonic clock. */
interface Mark {
  at: number;
  lastSeq: number;
}

/** The most moments that are remembered: those of so many looks. */
const MOST = 64;

/** See the file's head. To be looked at again and again: the marks of earlier looks are what it measures by. */
export class ChainLag {
  readonly #context: Pick<OrchestratorContext, 'bus'>;
  readonly #durables: readonly string[];
  #marks: Mark[] = [];

  /** Of these consumers: one for each partition, in their order. */
  constructor(context: Pick<OrchestratorContext, 'bus'>, durables: readonly string[]) {
    this.#context = context;
    this.#durables = durables;
  }

  /** Milliseconds of each partition, 0 where nothing waits; undefined where more waits than this process remembers. */
  async look(): Promise<(number | undefined)[]> {
    const { jsm } = this.#context.bus;
    const { state } = await jsm.streams.info(CHAIN_STREAM);
    const now = performance.now();
    this.#marks = [...this.#marks.slice(1 - MOST), { at: now, lastSeq: state.last_seq }];
    return Promise.all(
      this.#durables.map(async (durable) => {
        const { num_pending, delivered } = await jsm.consumers.info(CHAIN_STREAM, durable);
        if (num_pending === 0) return 0;
        const heard = this.#marks.findLast(({ lastSeq }) => lastSeq <= delivered.stream_seq);
        return heard && now - heard.at;
      }),
    );
  }
}

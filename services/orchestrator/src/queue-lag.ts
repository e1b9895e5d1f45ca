/**
 * How far behind a queue is: since when what it was given may still wait in it. It is told without the age of any message,
 * because the server's clock is another one.
 */
import type { OrchestratorContext } from './context.ts';

/** What the stream held at a moment of this process's monotonic clock. */
interface Mark {
  at: number;
  lastSeq: number;
}

/** The most moments that are remembered: those of so many looks. */
const MOST = 64;

/** The consumers of one stream. To be marked again and again: the marks of earlier looks are what it measures by. */
export class QueueLag {
  readonly #context: Pick<OrchestratorContext, 'bus'>;
  readonly #stream: string;
  #marks: Mark[] = [];

  constructor(context: Pick<OrchestratorContext, 'bus'>, stream: string) {
    this.#context = context;
    this.#stream = stream;
  }

  /** Remembers how far the stream has come. */
  async mark(): Promise<void> {
    const { state } = await this.#context.bus.jsm.streams.info(this.#stream);
    this.#marks = [...this.#marks.slice(1 - MOST), { at: performance.now(), lastSeq: state.last_seq }];
  }

  /**
   * Milliseconds: what is older than that has been delivered. 0 where nothing waits; undefined where more waits than this
   * process remembers.
   */
  async of(durable: string): Promise<number | undefined> {
    const { num_pending, delivered } = await this.#context.bus.jsm.consumers.info(this.#stream, durable);
    if (num_pending === 0) return 0;
    const heard = this.#marks.findLast(({ lastSeq }) => lastSeq <= delivered.stream_seq);
    return heard && performance.now() - heard.at;
  }
}

/**
 * The end of a response that its log does not tell. Whoever commits an end tells it in the log, and whatever dies in between is
 * made up for by the orchestrators; this is the second line, so that no reader waits for what may never come.
 */
import { project } from '@tailrace/chain';
import type { StoredResponse } from '@tailrace/database';
import { encodeFrame, type LogMeta } from '@tailrace/log';
import { ApiError, type ResponseId } from '@tailrace/protocol';
import type { GatewayContext } from './context.ts';
import { replayAnew } from './replay.ts';

/** What a watch over a log's end needs. */
export type EndWatchContext = Pick<GatewayContext, 'database' | 'orchestrator' | 'log'>;

/** Watches over the end of one log, for one of its readers, who tells each time that nothing has come for a while. */
export class EndWatch {
  readonly #context: EndWatchContext;
  readonly #id: ResponseId;
  #ended = false;
  #looking = false;

  constructor(context: EndWatchContext, id: ResponseId) {
    this.#context = context;
    this.#id = id;
  }

  /**
   * Nothing has come for a while. Whether the response had ended when nothing came the last time, or is gone: then nothing will.
   * Else it is looked up meanwhile, and the reader is not kept from what may come after all; of a response that has ended an
   * orchestrator is asked to complete the log.
   */
  idle(): boolean {
    if (this.#ended) return true;
    if (!this.#looking) {
      this.#looking = true;
      void this.#look();
    }
    return false;
  }

  /** Something has come. */
  heard(): void {
    this.#ended = false;
  }

  async #look(): Promise<void> {
    const { database, orchestrator, log } = this.#context;
    try {
      const row = await database
        .selectFrom('responses')
        .select(['owner', 'ended_at', 'correlation_id'])
        .where('id', '=', this.#id)
        .executeTakeFirst();
      if (row && row.ended_at === null) return;
      this.#ended = true;
      if (!row) return;
      log.warn({ response_id: this.#id }, 'the log of a response that has ended does not say so');
      // A response that has ended is not touched by it, but what its log lacks is appended.
      await orchestrator.ask('cancel', { id: this.#id, owner: row.owner, correlationId: row.correlation_id });
    } catch (error) {
      const refused = error instanceof ApiError && error.status < 500;
      if (!refused) log.warn({ err: error, response_id: this.#id }, 'the end of a log could not be looked up');
    } finally {
      this.#looking = false;
    }
  }
}

/**
 * The frames after event `after` that the log of a response lacks, which has ended and whose last message is `last`. Where
 * only what follows from the chain is missing, they are what an orchestrator would append, byte for byte; else the log has
 * lost its tail, and the stream begins anew. Pure.
 */
export function replayRest(stored: StoredResponse, last: LogMeta, after: number): string {
  const { record, chain } = stored;
  const first = last.last + 1;
  const events = project(record, chain, last.cursor);
  if (events.length === 0 || first + events.length !== record.nextEvent) return replayAnew(stored, after);
  return events
    .map((event, index) => ({ event, number: first + index }))
    .filter(({ number }) => number > after)
    .map(({ event, number }) => encodeFrame(event, number))
    .join('');
}

/** Finds live responses that nothing happens to, and hands their open steps out again. */
import { JetStreamApiError } from '@nats-io/jetstream';
import { CHAIN_STREAM, partitionOf, WORK_STREAM, workDurable } from '@tailrace/bus';
import { messageOf, type Step } from '@tailrace/chain';
import { loadResponse, type StoredResponse } from '@tailrace/database';
import type { ResponseId } from '@tailrace/protocol';
import { sql } from 'kysely';
import { eachApart } from './apart.ts';
import { carryOn, resume } from './commands.ts';
import type { OrchestratorContext } from './context.ts';
import { recordDeadLetter } from './dead-letters.ts';
import { QueueLag } from './queue-lag.ts';
import { countAttempt, longAgo } from './record-result.ts';
import { isOpenWork, nameOf, sourceOf } from './step-work.ts';

/** The most responses that are read at once. */
const PAGE = 100;
/** The most pages of one sweep. The next one goes on behind them. */
const PAGES = 10;

/** When a step is lost, and when it is given up. */
export interface SweepOptions {
  /** Milliseconds that nothing has happened for. */
  afterMs: number;
  /** The most messages that a step is handed out in. */
  messages: number;
}

/** A silent response's place in the order of silences. */
interface Place {
  /** As Postgres writes it: to the microsecond. */
  since: string;
  id: ResponseId;
}

/** See the file's head. */
export class Sweep {
  readonly #context: OrchestratorContext;
  readonly #options: SweepOptions;
  readonly #durables: readonly string[];
  /** While a report waits for the orchestrators its step is silent and not lost: a silence ends where they have heard all. */
  readonly #chainLag: QueueLag;
  readonly #workLag: QueueLag;
  /** What the last sweep has looked at last; undefined when it has come to the end. */
  #after: Place | undefined;

  /** `durables` are the consumers of the orchestrators' queues: one for each partition, in their order. */
  constructor(context: OrchestratorContext, durables: readonly string[], options: SweepOptions) {
    this.#context = context;
    this.#options = options;
    this.#durables = durables;
    this.#chainLag = new QueueLag(context, CHAIN_STREAM);
    this.#workLag = new QueueLag(context, WORK_STREAM);
  }

  /**
   * One sweep. A step is lost when no worker has told of it for `afterMs` and its queue has delivered everything that is as
   * old; workers tell of long steps as they go.
   * @returns how many responses were taken up again, or lost a step that was given up.
   */
  async round(signal: AbortSignal): Promise<number> {
    const { afterMs } = this.#options;
    await Promise.all([this.#chainLag.mark(), this.#workLag.mark()]);
    const lag = await Promise.all(this.#durables.map((durable) => this.#chainLag.of(durable)));
    const queues = new Queues(this.#workLag);
    let taken = 0;
    for (let pages = 0; pages < PAGES && !signal.aborted; pages += 1) {
      const rows = await silentResponses(this.#context, afterMs, this.#after).execute();
      const round = await eachApart(this.#context, 'to take it up again', rows, signal, async (row, within) => {
        const behind = lag[partitionOf(row.id, this.#context.partitions)];
        if (behind === undefined || row.silent_ms < afterMs + behind) return false;
        return this.#takeUp(row, afterMs + behind, queues, within);
      });
      taken += round.done;
      const last = rows.at(-1);
      this.#after = last && rows.length === PAGE ? { since: last.since, id: last.id } : undefined;
      if (this.#after === undefined) break;
    }
    return taken;
  }

  async #takeUp(
    { id, correlation_id, silent_ms }: { id: ResponseId; correlation_id: string; silent_ms: number },
    silentMs: number,
    queues: Queues,
    signal: AbortSignal,
  ): Promise<boolean> {
    const context = this.#context;
    const live = await loadResponse(context.database, id);
    if (!live || (await queues.holdAny(live, silent_ms - this.#options.afterMs))) return false;
    const spent = live.chain.filter((step) => isOpenWork(step) && messageOf(step.attempt) >= this.#options.messages);
    if (spent.length > 0) {
      // Closing a log to a worker cannot be undone: it may have told of itself since.
      const still = await silentResponses(context, silentMs).where('id', '=', id).executeTakeFirst();
      if (!still) return false;
      for (const step of spent) await this.#giveUp(id, step, correlation_id, signal);
      return true;
    }
    const stored = await countAttempt(context.database, id, silentMs);
    if (!stored) return false;
    context.log.warn({ response_id: id }, 'a silent response is taken up again');
    await resume(context, stored, correlation_id, signal);
    return true;
  }

  /** Each of its messages was given to workers, and none has come to anything. */
  async #giveUp(responseId: ResponseId, step: Step, correlationId: string, signal: AbortSignal): Promise<void> {
    const { id: stepId, kind, attempt } = step;
    const attempts = messageOf(attempt);
    const dead = { responseId, stepId, kind, source: nameOf(step), message: attempt, attempt, attempts };
    const committed = await recordDeadLetter(this.#context, dead, signal);
    if (!committed) return;
    await carryOn(this.#context, committed, undefined, correlationId, signal, 'after-result-append');
    this.#context.log.error({ response_id: responseId, step_id: stepId, messages: attempts }, 'a step was given up');
  }
}

/** The live responses that nothing has happened to for a while, the most silent first; those after a place. */
export function silentResponses(
  { database }: Pick<OrchestratorContext, 'database'>,
  afterMs: number,
  after?: Place | undefined,
) {
  const query = database
    .selectFrom('responses')
    .select([
      'id',
      'correlation_id',
      sql<string>`updated_at::text`.as('since'),
      sql<number>`(extract(epoch FROM now() - updated_at) * 1000)::float8`.as('silent_ms'),
    ])
    .where('ended_at', 'is', null)
    .where('updated_at', '<', longAgo(afterMs))
    .orderBy('updated_at')
    .orderBy('id')
    .limit(PAGE);
  if (after === undefined) return query;
  return query.where(sql<boolean>`(updated_at, id) > (${after.since}::timestamptz, ${after.id}::uuid)`);
}

/** What waits in the queues of work, asked once in a sweep. */
class Queues {
  readonly #lag: QueueLag;
  readonly #known = new Map<string, Promise<number | undefined>>();

  constructor(lag: QueueLag) {
    this.#lag = lag;
  }

  /** Whether an open step of a response may be waiting for its turn, and has been for longer than that. */
  async holdAny(stored: StoredResponse, forMs: number): Promise<boolean> {
    const queues = new Set(stored.chain.filter(isOpenWork).map((step) => workDurable(sourceOf(stored, step))));
    for (const queue of queues) {
      const lag = await this.#lagOf(queue);
      if (lag === undefined || lag > forMs) return true;
    }
    return false;
  }

  #lagOf(queue: string): Promise<number | undefined> {
    const asked = this.#known.get(queue) ?? this.#ask(queue);
    this.#known.set(queue, asked);
    return asked;
  }

  /** A queue that nobody serves keeps what is in it, and is no reason to add more. */
  async #ask(queue: string): Promise<number | undefined> {
    try {
      return await this.#lag.of(queue);
    } catch (error) {
      if (error instanceof JetStreamApiError && error.status === 404) return undefined;
      throw error;
    }
  }
}

/** An orchestrator on a NATS server that loses what a test takes from it, and responses whose logs are there. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus, ensureStreams, type ResultCommand, WORK_STREAM } from '@tailrace/bus';
import type { StoredResponse } from '@tailrace/database';
import { type RunningServer, startNats } from '@tailrace/infra';
import { append, decodeFrames, encodeFrames, type LogEnd, type LogMeta, readEnd, readLog } from '@tailrace/log';
import { foldItems, itemId, type ResponseEvent, type UnnumberedEvent } from '@tailrace/protocol';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { OrchestratorContext } from '../src/context.ts';
import { createResponse } from '../src/create-response.ts';
import { type LookedAt, recoverLostLogs } from '../src/lost-logs.ts';
import { bringLogUpToDate, logOf } from '../src/projector.ts';
import { recordResult } from '../src/record-result.ts';
import { createCommand, type LimitedDatabase, limitedDatabase } from './limits/limited-database.ts';

/** What is never aborted. */
export const never = new AbortController().signal;
/** The numbers of a log that begins anew are beyond this. */
export const GAP = 1_000_000;

/** One per test file; each test begins with an empty database and an empty server. */
export class LosingNats {
  readonly lookedAt: LookedAt = new Map();
  #limited: LimitedDatabase | undefined;
  #dir = '';
  #nats: RunningServer | undefined;
  #context: OrchestratorContext | undefined;

  constructor() {
    beforeAll(async () => {
      this.#limited = await limitedDatabase();
    });
    afterAll(() => this.#limited?.stop());
    beforeEach(async () => {
      await sql`DELETE FROM responses`.execute(this.database);
      await sql`DELETE FROM installation`.execute(this.database);
      this.lookedAt.clear();
      this.#dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
      await this.#start();
    });
    afterEach(async () => {
      await this.#stop();
      await rm(this.#dir, { recursive: true, force: true });
    });
  }

  get database(): LimitedDatabase['database'] {
    return this.#begun.limited.database;
  }

  /** The orchestrator's, with the connection to the server as it is now. */
  get context(): OrchestratorContext {
    if (!this.#context) throw new Error('the server has not been started');
    return this.#context;
  }

  get bus(): Bus {
    return this.context.bus;
  }

  get #begun(): { limited: LimitedDatabase } {
    if (!this.#limited) throw new Error('the database has not been made');
    return { limited: this.#limited };
  }

  async #start(): Promise<void> {
    this.#nats = await startNats({ dir: join(this.#dir, 'live'), log: () => undefined });
    const bus = await connectBus({ url: this.#nats.url, name: 'test' });
    await ensureStreams(bus, { partitions: 1, logMaxAgeMs: 3_600_000, duplicateWindowMs: 60_000 });
    this.#context = { ...this.#begun.limited.context, bus, log: pino({ level: 'silent' }), partitions: 1 };
  }

  async #stop(): Promise<void> {
    await this.bus.close();
    await this.#nats?.stop();
  }

  /** Keeps the server's data as it is; call back to have it again, as after a power cut. */
  async keep(): Promise<() => Promise<void>> {
    const [live, kept] = [join(this.#dir, 'live'), join(this.#dir, 'kept')];
    await this.#stop();
    await cp(live, kept, { recursive: true });
    await this.#start();
    return async () => {
      await this.#stop();
      await rm(live, { recursive: true });
      await cp(kept, live, { recursive: true });
      await this.#start();
    };
  }

  async wipe(): Promise<void> {
    await this.#stop();
    await rm(join(this.#dir, 'live'), { recursive: true });
    await this.#start();
  }

  /** One look of this orchestrator. */
  recover(context = this.context): Promise<number> {
    return recoverLostLogs(context, this.lookedAt, never);
  }

  /** A response whose first step has been handed out. */
  async begun(): Promise<StoredResponse> {
    const made = await createResponse(this.context, createCommand([]));
    if (!made) throw new Error('no response was made');
    await bringLogUpToDate(this.context, made, undefined, never);
    return made;
  }

  async logEnd({ record: { id } }: StoredResponse): Promise<LogEnd> {
    const end = await readEnd(logOf(this.context, id));
    if (!end) throw new Error('the log has not begun');
    return end;
  }

  /** Its step tells the beginning of an answer; with a seal the whole of it. */
  async tell(response: StoredResponse, text: string, seal: string | null): Promise<void> {
    const end = await this.logEnd(response);
    const events = answer(stepOf(response), text).slice(0, seal === null ? 3 : undefined);
    const first = end.meta.last + 1;
    const meta: LogMeta = {
      ...end.meta,
      first,
      last: first + events.length - 1,
      writer: 'worker',
      step: { id: stepOf(response), attempt: 1 },
      seal,
    };
    const bytes = Buffer.from(encodeFrames(events, first));
    await append(logOf(this.context, response.record.id), end.streamSeq, meta, bytes, never);
  }

  /** The step's outcome is recorded, which ends the response; nothing is told yet. */
  async record(response: StoredResponse): Promise<StoredResponse> {
    const { streamSeq, meta } = await this.logEnd(response);
    const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
    const details = { input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } };
    const items = foldItems(answer(stepOf(response), 'hello') as ResponseEvent[], 0).map((item) => ({ item }));
    const report: ResultCommand = {
      kind: 'model_call',
      responseId: response.record.id,
      stepId: stepOf(response),
      attempt: 1,
      startedAt: Date.now(),
      endedAt: Date.now(),
      correlationId: '0'.repeat(32),
      result: { items, finish: 'stop', usage: { ...usage, ...details } },
      error: null,
      log: { streamSeq, nextEvent: meta.last + 1, cursor: meta.cursor },
      events: 6,
      calls: [],
    };
    const committed = await recordResult(this.context, report, never);
    if (!committed?.fresh) throw new Error('nothing was recorded');
    return committed;
  }

  async eventsOf({ record: { id } }: StoredResponse): Promise<ResponseEvent[]> {
    const events: ResponseEvent[] = [];
    for await (const { bytes } of readLog(logOf(this.context, id), 0)) events.push(...decodeFrames(bytes));
    return events;
  }

  /** How many steps are in queues. */
  async handedOut(): Promise<number> {
    return (await this.bus.jsm.streams.info(WORK_STREAM)).state.messages;
  }
}

/** The id of a response's first step. */
export function stepOf({ chain }: StoredResponse): string {
  return chain[0]?.id ?? '';
}

function answer(step: string, text: string): UnnumberedEvent[] {
  const id = itemId('message', step, 0);
  const part = { type: 'output_text' as const, annotations: [], logprobs: [] };
  const item = { type: 'message' as const, id, role: 'assistant' as const };
  const at = { item_id: id, output_index: 0, content_index: 0 };
  return [
    { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
    { type: 'response.output_text.delta', ...at, delta: text, logprobs: [] },
    { type: 'response.output_text.done', ...at, text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part: { ...part, text } },
    {
      type: 'response.output_item.done',
      output_index: 0,
      item: { ...item, status: 'completed', content: [{ ...part, text }] },
    },
  ];
}

/** A NATS server and a database of their own, and responses that orchestrators' functions are tried on. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus, encodeMessage, ensureStreams, WORK_STREAM, type Work } from '@tailrace/bus';
import type { RecordedItem, Step } from '@tailrace/chain';
import { loadResponse, type StoredResponse } from '@tailrace/database';
import { startNats } from '@tailrace/infra';
import { readEnd } from '@tailrace/log';
import { itemId, type ResponseId } from '@tailrace/protocol';
import type { Logger } from '@tailrace/service';
import { type Kysely, sql } from 'kysely';
import { pino } from 'pino';
import type { EndedReport } from '../src/analytics.ts';
import type { ChainMessage } from '../src/commands.ts';
import type { OrchestratorContext } from '../src/context.ts';
import { type Committed, createResponse } from '../src/create-response.ts';
import { bringLogUpToDate } from '../src/projector.ts';
import { recordResult } from '../src/record-result.ts';
import { createCommand, type LimitedDatabase, limitedDatabase } from './limits/limited-database.ts';

const NEVER = new AbortController().signal;

/** See the file's head. */
export class ChainBench {
  readonly bus: Bus;
  readonly stored: LimitedDatabase;
  readonly signal = NEVER;
  readonly #stop: () => Promise<void>;

  private constructor(bus: Bus, stored: LimitedDatabase, stop: () => Promise<void>) {
    this.bus = bus;
    this.stored = stored;
    this.#stop = stop;
  }

  static async start(): Promise<ChainBench> {
    const dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
    const nats = await startNats({ dir, log: () => undefined });
    const bus = await connectBus({ url: nats.url, name: 'test' });
    await ensureStreams(bus, { partitions: 1, logMaxAgeMs: 3_600_000, duplicateWindowMs: 60_000 });
    const stored = await limitedDatabase();
    return new ChainBench(bus, stored, async () => {
      await stored.stop();
      await bus.close();
      await nats.stop();
      await rm(dir, { recursive: true, force: true });
    });
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  /** What an orchestrator works with. */
  context(change: Partial<OrchestratorContext> = {}): OrchestratorContext {
    const log: Logger = pino({ level: 'silent' });
    return { ...this.stored.context, bus: this.bus, log, partitions: 1, ...change };
  }

  /** The bus, with another way to publish. */
  publishing(
    publish: (...args: Parameters<Bus['publisher']['publish']>) => ReturnType<Bus['publisher']['publish']>,
  ): Bus {
    return { ...this.bus, publisher: { publish } as unknown as Bus['publisher'] };
  }

  get database(): Kysely<import('@tailrace/database').Tables> {
    return this.stored.database;
  }

  /** A response that has begun, with its log. */
  async begin(change: Parameters<typeof createCommand>[1] = {}): Promise<Committed> {
    const made = await createResponse(this.stored.context, createCommand([], change));
    if (!made) throw new Error('the response is there already');
    await bringLogUpToDate(this.context(), made, undefined, NEVER);
    return made;
  }

  async load(id: ResponseId): Promise<StoredResponse> {
    const stored = await loadResponse(this.database, id);
    if (!stored) throw new Error('the response is gone');
    return stored;
  }

  /** The model's open step answers with these items. */
  async answer(id: ResponseId, makers: ((step: string) => RecordedItem)[]): Promise<Committed> {
    const step = (await this.load(id)).chain.find((each) => each.kind === 'model_call' && each.endedEntry === null);
    if (!step) throw new Error('no model is called');
    const items = makers.map((make) => make(step.id));
    const report: EndedReport = {
      kind: 'model_call',
      responseId: id,
      stepId: step.id,
      attempt: 1,
      startedAt: Date.now(),
      endedAt: Date.now(),
      correlationId: '0'.repeat(32),
      result: { items, finish: 'stop', usage: null },
      error: null,
      log: { streamSeq: 1, nextEvent: 5, cursor: 1 },
      events: 3,
      calls: [],
    };
    const committed = await recordResult(this.stored.context, report, new AbortController().signal);
    if (!committed) throw new Error('the response is gone');
    return committed;
  }

  /** The advisory about a step's message, which was delivered ten times. */
  async dead(id: ResponseId, step: Step): Promise<ChainMessage> {
    const work = { kind: 'model_call', responseId: id, stepId: step.id, attempt: 1, model: 'demo', correlationId: 'c' };
    const { seq } = await this.bus.js.publish('tr.work.model.default.demo', encodeMessage(work as Work));
    const advisory = { stream: WORK_STREAM, stream_seq: seq, deliveries: 10, consumer: 'model-demo' };
    return { subject: 'advisory', bytes: Buffer.from(JSON.stringify(advisory)), redelivered: false };
  }

  /** The status that the last message of a log tells. */
  async loggedEnd(id: ResponseId): Promise<string | null | undefined> {
    return (await readEnd({ bus: this.bus, partition: 0, id }))?.meta.ended;
  }

  /** Nothing has happened to a response for an hour. */
  async silence(id: ResponseId, ms = 3_600_000): Promise<void> {
    await sql`UPDATE responses SET updated_at = now() - ${ms} * interval '1 millisecond' WHERE id = ${id}`.execute(
      this.database,
    );
  }

  async empty(): Promise<void> {
    await sql`DELETE FROM dead_letters`.execute(this.database);
    await sql`DELETE FROM responses`.execute(this.database);
    await this.bus.jsm.streams.purge(WORK_STREAM);
  }
}

/** A call of a function. */
export const calling =
  (name: string, text = '{}') =>
  (step: string): RecordedItem => ({
    item: {
      type: 'function_call',
      id: itemId('function_call', step, 0),
      call_id: 'call_1',
      name,
      arguments: text,
      status: 'completed',
    },
  });

/** The queues of a pool: of sources as they are registered, changed and removed. */
import { AckPolicy } from '@nats-io/jetstream';
import { token, WORK_STREAM, workDurable, workFilter, workSourceOf, workSubject } from '@tailrace/bus';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { LeftQueues } from '../src/left-queues.ts';
import { DONE, newSource, type PoolBench, publishStep, type Run, startPoolBench, TestRegistry } from './pool-bench.ts';

let bench: PoolBench;
beforeAll(async () => {
  bench = await startPoolBench();
  bench.orchestrate(() => ({ begun: false, ended: false }));
});
afterEach(() => bench.stopPools());
afterAll(() => bench.stop());

/** Steps that are held until they are let go. */
class Held {
  readonly begun: string[] = [];
  readonly aborted: string[] = [];
  readonly #letGo = new Map<string, () => void>();

  readonly run: Run = async ({ stepId }, _delivery, signal) => {
    this.begun.push(stepId);
    signal.addEventListener('abort', () => this.aborted.push(stepId));
    await new Promise<void>((resolve) => this.#letGo.set(stepId, resolve));
    return DONE;
  };

  hasBegun(stepId: string, ms?: number): Promise<true> {
    return eventually('it is begun', async () => this.begun.includes(stepId) || undefined, ms);
  }

  letAllGo(): void {
    for (const letGo of this.#letGo.values()) letGo();
  }
}

describe('a limit that is changed', () => {
  test('is in force without anything being broken off, and holds up no other source', async () => {
    const [source, other] = [newSource(), newSource()];
    const registry = new TestRegistry({ source, concurrency: 1 });
    const held = new Held();
    const pool = await bench.pool(registry, held.run);
    const consumer = () => bench.bus.jsm.consumers.info(WORK_STREAM, workDurable(source));
    const first = await publishStep(bench.bus, source);
    await held.hasBegun(first.stepId);
    const second = await publishStep(bench.bus, source);
    const before = await consumer();
    registry.change({ source, concurrency: 2 }, { source: other, concurrency: 1 });
    await pool.ready();
    const elsewhere = await publishStep(bench.bus, other);
    await held.hasBegun(elsewhere.stepId);
    await held.hasBegun(second.stepId);
    registry.change({ source, concurrency: 1 }, { source: other, concurrency: 1 });
    const after = await eventually('it is lower again', async () => {
      const now = await consumer();
      return now.config.max_ack_pending === 1 && now;
    });
    expect(after.created).toBe(before.created);
    expect(pool.active).toBe(3);
    expect(held.aborted).toEqual([]);
    held.letAllGo();
    await eventually('all is done', async () => pool.active === 0);
    expect(held.begun).toHaveLength(3);
  });
});

describe('a queue that cannot be begun', () => {
  test('is begun when it can be', async () => {
    const source = newSource();
    const filter_subject = workFilter(source);
    const inTheWay = { durable_name: `not-${token(source.name)}`, filter_subject, ack_policy: AckPolicy.Explicit };
    await bench.bus.jsm.consumers.add(WORK_STREAM, inTheWay);
    const held = new Held();
    await bench.pool(new TestRegistry({ source, concurrency: 1 }), held.run);
    await bench.bus.jsm.consumers.delete(WORK_STREAM, inTheWay.durable_name);
    await held.hasBegun((await publishStep(bench.bus, source)).stepId);
    held.letAllGo();
  });
});

describe('the work of a source that is removed', () => {
  test('is taken by those who knew it, and what is under way goes on', async () => {
    const source = newSource();
    const registry = new TestRegistry({ source, concurrency: 1 });
    const held = new Held();
    const pool = await bench.pool(registry, held.run);
    const first = await publishStep(bench.bus, source);
    await held.hasBegun(first.stepId);
    const queued = await publishStep(bench.bus, source);
    registry.change();
    const later = await publishStep(bench.bus, source);
    await pool.ready();
    expect(pool.active).toBe(1);
    held.letAllGo();
    await held.hasBegun(queued.stepId);
    held.letAllGo();
    await held.hasBegun(later.stepId);
    held.letAllGo();
    expect(held.aborted).toEqual([]);
  });

  test('is taken by a process that never knew it', async () => {
    const source = newSource();
    const work = await publishStep(bench.bus, source);
    const held = new Held();
    await bench.pool(new TestRegistry(), held.run);
    await held.hasBegun(work.stepId, 8_000);
    held.letAllGo();
  });

  test('is left to a process that serves its queue', async () => {
    const [served, unserved] = [newSource(), newSource()];
    const held = new Held();
    await bench.pool(new TestRegistry({ source: served, concurrency: 1 }), held.run);
    await held.hasBegun((await publishStep(bench.bus, served)).stepId);
    const left = new LeftQueues(bench.bus, ['tool']);
    expect([...(await left.queued()).values()]).toContainEqual(served);
    // Only who finds it so twice in a row is sure.
    expect(await left.deserted([served, unserved])).toEqual([]);
    expect(await left.deserted([served, unserved])).toMatchObject([{ source: unserved }]);
    held.letAllGo();
  });
});

test.each(['plain', 'with space', 'dot.ted', 'a=b', 'größe', '日本', '*>'])(
  'a source is known by its subject: %s',
  (name) => {
    for (const kind of ['tool', 'model'] as const) {
      expect(workSourceOf(workSubject({ kind, name }, 'flex'))).toEqual({ kind, name });
    }
  },
);

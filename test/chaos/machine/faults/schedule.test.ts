import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  FAULT_KINDS,
  type FaultKind,
  isFaultKind,
  partsOf,
  type ScheduleOptions,
  schedule,
  targetsOf,
} from './index.ts';
import { linksOf, processesOf, type Topology } from './topology.ts';

const topology: Topology = {
  replicas: { gateway: 2, orchestrator: 2, modelCaller: 2, toolRunner: 2 },
  isCluster: false,
};
const CLUSTER_KINDS: FaultKind[] = ['nats-leader-killed', 'nats-follower-killed', 'nats-quorum-lost'];
const SINGLE_KINDS = FAULT_KINDS.filter((kind) => !CLUSTER_KINDS.includes(kind));

const count = fc.integer({ min: 1, max: 3 });
const topologies: fc.Arbitrary<Topology> = fc.record({
  replicas: fc.record({ gateway: count, orchestrator: count, modelCaller: count, toolRunner: count }),
  isCluster: fc.boolean(),
});
const options: fc.Arbitrary<ScheduleOptions> = fc.record({
  topology: topologies,
  kinds: fc.subarray([...FAULT_KINDS]),
  durationMs: fc.integer({ min: 0, max: 1_000_000 }),
  faultMs: fc.integer({ min: 1_000, max: 5_000 }),
  healMs: fc.integer({ min: 1_000, max: 5_000 }),
  combine: fc.integer({ min: 1, max: 4 }),
});

test('the same seed is the same schedule, another seed another', () => {
  const long = { topology, kinds: FAULT_KINDS, durationMs: 400_000 };
  expect(schedule(7, long)).toEqual(schedule(7, long));
  expect(schedule(8, long)).not.toEqual(schedule(7, long));
});

test('faults last as long as they should, are healed before the next, and the last within the duration', () => {
  fc.assert(
    fc.property(fc.integer(), options, (seed, given) => {
      const { durationMs, faultMs = 0, healMs = 0 } = given;
      const faults = schedule(seed, given);
      for (const { at, until } of faults) {
        expect(until - at).toBe(faultMs);
        expect(until + healMs).toBeLessThanOrEqual(durationMs);
      }
      const starts = [...new Set(faults.map(({ at }) => at))];
      for (const [index, at] of starts.entries()) expect(at).toBe(index * (faultMs + healMs));
    }),
  );
});

test('each hits something that is there, and no two at once the same part', () => {
  fc.assert(
    fc.property(fc.integer(), options, (seed, given) => {
      const faults = schedule(seed, given);
      for (const group of Map.groupBy(faults, ({ at }) => at).values()) {
        expect(group.length).toBeLessThanOrEqual(given.combine ?? 0);
        const parts = group.flatMap(({ kind, target }) => partsOf(kind, target, given.topology));
        expect(new Set(parts).size).toBe(parts.length);
      }
      for (const { kind, target } of faults) {
        expect(given.kinds).toContain(kind);
        expect(targetsOf(kind, given.topology)).toContain(target);
      }
    }),
  );
});

test('every kind comes alone once as soon as there are slots for it, and then combinations come', () => {
  const slots = SINGLE_KINDS.length;
  const faults = schedule(1, { topology, kinds: FAULT_KINDS, durationMs: (slots + 40) * 10_000, combine: 3 });
  const groups = [...Map.groupBy(faults, ({ at }) => at).values()];
  expect(groups.length).toBe(slots + 40);
  const alone = groups.slice(0, slots).map((group) => group.map(({ kind }) => kind).join());
  expect(alone.sort()).toEqual([...SINGLE_KINDS].sort());
  const sizes = new Set(groups.slice(slots).map((group) => group.length));
  expect(sizes).toEqual(new Set([1, 2, 3]));
});

test('where slots are few, kinds share them, and still all come', () => {
  fc.assert(
    fc.property(fc.integer(), fc.boolean(), fc.integer({ min: 10, max: 20 }), (seed, isCluster, slots) => {
      const faults = schedule(seed, {
        topology: { ...topology, isCluster },
        kinds: FAULT_KINDS,
        durationMs: slots * 2_000,
        faultMs: 1_000,
        healMs: 1_000,
        combine: 4,
      });
      expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(isCluster ? FAULT_KINDS : SINGLE_KINDS));
    }),
  );
});

test('over a long time every kind comes about as often as any other, and hits all of its targets', () => {
  const faults = schedule(3, { topology, kinds: FAULT_KINDS, durationMs: 20_000_000 });
  const counts = Map.groupBy(faults, ({ kind }) => kind);
  const numbers = SINGLE_KINDS.map((kind) => counts.get(kind)?.length ?? 0);
  expect(Math.max(...numbers) - Math.min(...numbers)).toBeLessThanOrEqual(1);
  for (const kind of SINGLE_KINDS) {
    expect(new Set(counts.get(kind)?.map(({ target }) => target))).toEqual(new Set(targetsOf(kind, topology)));
  }
});

describe('what there is to hit', () => {
  test('kinds of a cluster have targets on a cluster only', () => {
    for (const kind of FAULT_KINDS) {
      const isNothing = targetsOf(kind, topology).length === 0;
      expect([kind, isNothing]).toEqual([kind, CLUSTER_KINDS.includes(kind)]);
      expect(targetsOf(kind, { ...topology, isCluster: true })).not.toEqual([]);
    }
  });

  test('processes and links have names of their own', () => {
    expect(processesOf(topology).map(({ name }) => name)).toEqual([
      'gateway 0',
      'gateway 1',
      'orchestrator 0',
      'orchestrator 1',
      'model-caller 0',
      'model-caller 1',
      'tool-runner 0',
      'tool-runner 1',
    ]);
    const names = linksOf(topology).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining(['client > gateway 1', 'orchestrator 0 > postgres', 'tool-runner 1 > nats']),
    );
    // Nobody but these two has a way to the database.
    expect(names.filter((name) => name.endsWith('> postgres')).map((name) => name.split(' ')[0])).toEqual([
      'gateway',
      'gateway',
      'orchestrator',
      'orchestrator',
    ]);
  });

  test('a kind is known by its name', () => {
    expect(isFaultKind('link-slow')).toBe(true);
    expect(isFaultKind('slow')).toBe(false);
  });
});

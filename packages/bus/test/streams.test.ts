import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNats } from '@tailrace/infra';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bus, connectBus, ensureStreams, replicasFor, StreamMismatch } from '../src/index.ts';

let dir: string;
let nats: Awaited<ReturnType<typeof startNats>>;
let bus: Bus;
const options = { partitions: 3, logMaxAgeMs: 60_000, duplicateWindowMs: 60_000 };

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  nats = await startNats({ dir, log: () => undefined });
  bus = await connectBus({ url: nats.url, name: 'test' });
});
afterAll(async () => {
  await bus.close();
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('the streams of an installation', () => {
  test('are made once, by however many at the same time', async () => {
    await Promise.all([1, 2, 3].map(() => ensureStreams(bus, options)));
    await ensureStreams(bus, options);
    const names = await bus.jsm.streams.names().next();
    expect(names.filter((name) => name.startsWith('TR_LOG_')).sort()).toEqual(['TR_LOG_0', 'TR_LOG_1', 'TR_LOG_2']);
  });

  test.each([2, 4])('are not joined with another number of partitions: %i', async (partitions) => {
    await expect(ensureStreams(bus, { ...options, partitions })).rejects.toThrow(StreamMismatch);
  });

  test('have one copy on a single server, which is not asked for three', () => {
    expect(replicasFor(bus)).toBe(1);
    expect(() => replicasFor(bus, 3)).toThrow(StreamMismatch);
  });
});

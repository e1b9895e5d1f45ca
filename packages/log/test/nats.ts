import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, connectBus, ensureStreams } from '@tailrace/bus';
import { startNats } from '@tailrace/infra';
import { newId, type UnnumberedEvent } from '@tailrace/protocol';
import type { LogTarget } from '../src/append.ts';

/** A NATS of its own with the streams, and a connection to it. */
export interface TestNats {
  url: string;
  pid: number;
  bus: Bus;
  connect(options?: { timeoutMs?: number }): Promise<Bus>;
  target(bus?: Bus): LogTarget;
  /** Stops the server's clock; resolves once it does not answer any more. */
  freeze(bus: Bus): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
}

/** Starts a `nats-server` for one test file. */
export async function testNats(): Promise<TestNats> {
  const dir = await mkdtemp(join(tmpdir(), 'tailrace-nats-'));
  const server = await startNats({ dir, log: () => undefined });
  const buses: Bus[] = [];
  const connect = async ({ timeoutMs = 2_000 } = {}) => {
    const bus = await connectBus({ url: server.url, name: 'test', timeoutMs });
    buses.push(bus);
    return bus;
  };
  const bus = await connect();
  await ensureStreams(bus, { partitions: 1, logMaxAgeMs: 3_600_000, duplicateWindowMs: 120_000 });
  return {
    url: server.url,
    pid: server.pid,
    bus,
    connect,
    target: (own = bus) => ({ bus: own, partition: 0, id: newId(Date.now()) }),
    async freeze(frozen) {
      process.kill(server.pid, 'SIGSTOP');
      const answers = () => Promise.race([frozen.nc.flush().then(() => true), sleep(200, false)]);
      while (await answers());
    },
    thaw: () => process.kill(server.pid, 'SIGCONT'),
    async stop() {
      await Promise.all(buses.map((each) => each.close()));
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** An event with some text in it. */
export function delta(text: string): UnnumberedEvent {
  return {
    type: 'response.output_text.delta',
    item_id: 'msg_1',
    output_index: 0,
    content_index: 0,
    delta: text,
    logprobs: [],
  };
}

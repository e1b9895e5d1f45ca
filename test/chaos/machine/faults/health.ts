/** Whether a system is well, and what is wrong with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import { withDatabase } from './database.ts';
import { withJetStream } from './nats.ts';
import type { ChaosSystem } from './system.ts';
import { processesOf } from './topology.ts';

const PROBE_MS = 3_000;
const LOOK_EVERY_MS = 100;

/** What is wrong now, a line each; nothing when every process is ready and every server does all that it should. */
export async function troublesOf(system: ChaosSystem): Promise<string[]> {
  const lists = await Promise.all([processTroubles(system), databaseTroubles(system), natsTroubles(system)]);
  return lists.flat();
}

/** Resolves once nothing is wrong. @throws Error with what still is, after `withinMs`. */
export async function healthy(system: ChaosSystem, withinMs = 60_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const troubles = await troublesOf(system);
    if (troubles.length === 0) return;
    if (performance.now() > deadline) throw new Error(`still not healthy:\n${troubles.join('\n')}`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** What a process says of itself: the status of `/readyz` and the body; undefined when there is no answer within 3 s. */
export async function readinessOf(
  { stack }: ChaosSystem,
  name: string,
): Promise<{ status: number; body: string } | undefined> {
  const process = stack.processes().find(({ role, index }) => `${role} ${index}` === name);
  if (process?.url === undefined) return undefined;
  try {
    const answer = await fetch(`${process.url}/readyz`, { signal: AbortSignal.timeout(PROBE_MS) });
    return { status: answer.status, body: await answer.text() };
  } catch {
    // No answer is what the caller wants to know about.
    return undefined;
  }
}

async function processTroubles(system: ChaosSystem): Promise<string[]> {
  const looks = processesOf(system.topology).map(async ({ name }) => {
    const readiness = await readinessOf(system, name);
    if (readiness?.status === 200) return [];
    return [`${name}: ${readiness === undefined ? 'no answer' : `${readiness.status} ${readiness.body}`}`];
  });
  return (await Promise.all(looks)).flat();
}

async function databaseTroubles({ infra }: ChaosSystem): Promise<string[]> {
  try {
    return await withDatabase(infra.databaseUrl, async (client) => {
      const { rows } = await client.query<{ mode: string }>("SELECT current_setting('transaction_read_only') AS mode");
      return rows[0]?.mode === 'off' ? [] : ['postgres: refuses to write'];
    });
  } catch (error) {
    return [`postgres: ${error}`];
  }
}

async function natsTroubles({ infra }: ChaosSystem): Promise<string[]> {
  const stopped = infra.nats.filter(({ pid }) => pid === undefined).map(({ name }) => `${name}: does not run`);
  if (stopped.length > 0) return stopped;
  if (!(await infra.isNatsHealthy())) return ['nats: the members are not all healthy'];
  try {
    return await withJetStream(infra.natsUrl, streamTroubles);
  } catch (error) {
    return [`nats: ${error}`];
  }
}

/** Streams without a leader, or with copies that have not caught up: a member that has just started hears of them late. */
async function streamTroubles(jsm: JetStreamManager): Promise<string[]> {
  const troubles: string[] = [];
  for await (const { config, cluster } of jsm.streams.list()) {
    if (cluster?.replicas === undefined) continue;
    const isCurrent = cluster.leader !== undefined && cluster.replicas.every(({ current }) => current);
    if (!isCurrent) troubles.push(`nats: ${config.name} is not in all of its places`);
  }
  return troubles;
}

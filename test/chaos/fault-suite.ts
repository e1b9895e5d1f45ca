/** What the fault machine's own tests have in common. */
import { JetStreamApiError, jetstream } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type ChaosInfra,
  type ChaosSystem,
  chaosInfra,
  chaosSystem,
  type FaultKind,
  faultOf,
  type Heal,
  healthy,
  readinessOf,
} from './machine/faults/index.ts';
import { connectOnce } from './machine/faults/nats.ts';

/** What is looked at while the fault is there; what it returns is looked at when it has been healed. */
export type Look = (system: ChaosSystem) => Promise<(() => Promise<void>) | undefined>;
/** A fault, and how it shows. */
export type Row = readonly [kind: FaultKind, target: string, look: Look];

/** Injects each of `rows` into one system, looks, heals it twice, and waits until all is well. */
export function faultSuite(
  options: { cluster: boolean },
  rows: (system: () => ChaosSystem, ends: (name: string) => number) => readonly Row[],
) {
  /** Kinds that came and went as they should. */
  const seen = new Set<FaultKind>();
  let infra: ChaosInfra;
  let system: ChaosSystem;
  /** What the stack has said. */
  const lines: string[] = [];
  const ends = (name: string) => lines.filter((line) => line.startsWith(`${name} has ended`)).length;

  beforeAll(async () => {
    infra = await chaosInfra(options);
    system = await chaosSystem({ infra, log: (line) => lines.push(line) });
    await healthy(system);
  });
  afterAll(async () => {
    await system?.stop();
    await infra?.stop();
  });

  const table = rows(() => system, ends);
  test.each(table)('%s: %s', async (kind, target, look) => {
    const heal: Heal = await faultOf(system, kind).inject(target);
    let after: Awaited<ReturnType<Look>>;
    try {
      after = await look(system);
    } finally {
      await heal();
    }
    await heal();
    await healthy(system, 30_000);
    await after?.();
    seen.add(kind);
  });
  return { system: () => system, seen };
}

/** A process that says it lacks something. */
export const unready =
  (name: string, check: string): Look =>
  async (system) => {
    await eventually(`${name} says that ${check} is missing`, async () => {
      const readiness = await readinessOf(system, name);
      if (readiness?.status !== 503) return false;
      const { checks } = JSON.parse(readiness.body) as { checks: Record<string, string> };
      return checks[check] !== 'ok';
    });
    return undefined;
  };

/** A response. */
export interface Answer {
  status: string;
  /** Seconds since the epoch: by the gateway's clock, and by the orchestrator's. */
  created_at: number;
  completed_at: number;
  output: unknown[];
}

/** Asks the demo model to follow a script. */
export function create(system: ChaosSystem, input: string): Promise<Response> {
  return fetch(`${system.gateways[0]}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${system.stack.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'demo', input }),
  });
}

/** The same, where it has to work. */
export async function ask(system: ChaosSystem, input: string): Promise<Answer> {
  const answer = await create(system, input);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Answer;
}

/** The code of the refusal when a publish is refused. @throws when nobody answers. */
export async function publishTo(system: ChaosSystem, subject: string): Promise<number | 'stored'> {
  const nc = await connectOnce(system.infra.natsUrl);
  try {
    await jetstream(nc).publish(subject, 'a text', { timeout: 1_500 });
    return 'stored';
  } catch (error) {
    if (error instanceof JetStreamApiError) return error.code;
    throw error;
  } finally {
    await nc.close();
  }
}

/** Cancelled while the workers' connections to NATS come and go: what they have not heard they find out once they are back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBus, WORK_STREAM } from '@tailrace/bus';
import type { Call } from '@tailrace/demo-model';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { type ChaosInfra, type ChaosSystem, chaosInfra, chaosSystem, healthy } from './machine/faults/index.ts';
import type { ProxyMode } from './machine/proxy/index.ts';

const WORKERS = ['model-caller 0', 'tool-runner 0'] as const;
/** How long a connection is gone, and there, in turn. */
const FLAP_MS = 200;
const FLAPS = 4;
/** From when a worker is connected again. */
const NOTICED_WITHIN_MS = 2_500;

let infra: ChaosInfra;
let system: ChaosSystem;

beforeAll(async () => {
  infra = await chaosInfra({ cluster: false });
  system = await chaosSystem({ infra, env: { HEARTBEAT_MS: '60000', SWEEP_AFTER_MS: '180000' } });
  await healthy(system);
});
afterAll(async () => {
  await system?.stop();
  await infra?.stop();
});

const links = () => WORKERS.map((worker) => system.link(`${worker} > nats`));
const setAll = (mode: ProxyMode) => {
  for (const link of links()) link.mode(mode);
};
afterEach(() => setAll({ kind: 'pass' }));

async function ask(path: string, body: Record<string, unknown>): Promise<{ id: string; status: string }> {
  const headers = { authorization: `Bearer ${system.stack.apiKey}`, 'content-type': 'application/json' };
  const answer = await fetch(`${system.gateways[0]}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(answer.status).toBe(200);
  return (await answer.json()) as { id: string; status: string };
}

async function statusOf(id: string): Promise<string> {
  const headers = { authorization: `Bearer ${system.stack.apiKey}` };
  const answer = await fetch(`${system.gateways[0]}/v1/responses/${id}`, { headers });
  return ((await answer.json()) as { status: string }).status;
}

async function callsOf(marker: string): Promise<Call[]> {
  const answer = await fetch(`${infra.demoModelUrl}/_calls?contains=${encodeURIComponent(marker)}`);
  return (await answer.json()) as Call[];
}

/** What is under way when it is cancelled. */
interface Kind {
  kind: 'model' | 'tool';
  lines(city: string): string[];
}

const KINDS: Readonly<Record<string, Kind>> = {
  'a model that talks': { kind: 'model', lines: () => ['!text 3000 20'] },
  'a model that is silent': { kind: 'model', lines: () => ['!text 3 1', '!hang 3'] },
  'a tool': {
    kind: 'tool',
    lines: (city) => [`!call get_weather {"city":"${city}","_ms":60000}`, '!turn', '!text 3'],
  },
};

const AWAY: Readonly<Record<string, ProxyMode>> = {
  'that are cut': { kind: 'refuse' },
  'that are open, and silent': { kind: 'half-open' },
};

/** One that runs: its last call is the one that is under way. */
async function begin({ kind, lines }: Kind) {
  const city = `city-${crypto.randomUUID()}`;
  const { text, marker } = script(...lines(city));
  const { id } = await ask('/v1/responses', { model: 'demo', input: text, background: true });
  const calls = async () => [...(await callsOf(marker)), ...(kind === 'tool' ? await callsOf(`"${city}"`) : [])];
  const call = async () => (await calls()).find((made) => made.kind === kind);
  await eventually(`its ${kind} is called`, call);
  return { id, call, calls };
}

/** No work is left, nor in anybody's hands. */
async function workDone(): Promise<void> {
  const bus = await connectBus({ url: infra.natsUrl, name: 'test' });
  await eventually('all work is dealt with', async () => {
    return (await bus.jsm.streams.info(WORK_STREAM)).state.messages === 0;
  });
  await bus.close();
}

const CASES = Object.entries(AWAY).flatMap(([how, away]) =>
  Object.entries(KINDS).map(([what, kind]) => [what, how, kind, away] as const),
);

test.each(CASES)('%s, and connections %s, again and again', async (_what, _how, kind, away) => {
  const all = await Promise.all(Array.from({ length: FLAPS }, () => begin(kind)));
  const before = await Promise.all(all.map(async ({ calls }) => (await calls()).length));
  for (const { id } of all) {
    // Nobody gets through: what is connected is reset as well, or is left to hear nothing.
    if (away.kind === 'refuse') setAll({ kind: 'cut' });
    setAll(away);
    const [cancelled] = await Promise.all([ask(`/v1/responses/${id}/cancel`, {}), sleep(FLAP_MS)]);
    expect(cancelled.status).toBe('cancelled');
    setAll({ kind: 'pass' });
    await sleep(FLAP_MS);
  }
  await eventually('they are connected again', async () => links().every(({ connections }) => connections > 0));
  const back = Date.now();
  for (const { call } of all) {
    const left = NOTICED_WITHIN_MS + back - Date.now();
    await eventually('it is let go', async () => (await call())?.closed_at != null, left);
    expect((await call())?.ended).not.toBe('complete');
  }
  await workDone();
  await healthy(system);
  expect(await Promise.all(all.map(async ({ calls }) => (await calls()).length))).toEqual(before);
  expect(await Promise.all(all.map(({ id }) => statusOf(id)))).toEqual(all.map(() => 'cancelled'));
});

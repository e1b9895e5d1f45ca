/** Postgres is away for half a minute: what streams goes on, nothing is accepted that could be lost, and all of it ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type ChaosInfra, type ChaosSystem, chaosInfra, chaosSystem, healthy } from './machine/faults/index.ts';

const DOWN_MS = 30_000;
const LOOK_EVERY_MS = 3_000;
/** Streams a little beyond the time that Postgres is away. */
const LONG = { chunks: 350, everyMs: 100 };

let infra: ChaosInfra;
let system: ChaosSystem;
beforeAll(async () => {
  infra = await chaosInfra({ cluster: false });
  system = await chaosSystem({ infra, replicas: { gateway: 2, orchestrator: 2 }, env: { ACCEPT_TIMEOUT_MS: '2000' } });
  await healthy(system);
});
afterAll(async () => {
  await system?.stop();
  await infra?.stop();
});

function create(input: string, fields: Record<string, unknown> = {}, gateway = 0): Promise<Response> {
  return fetch(`${system.gateways[gateway]}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${system.stack.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'demo', input, ...fields }),
  });
}

/** A response that streams for longer than Postgres is away, and how many frames have come of it. */
function streaming(gateway: number) {
  const seen = { frames: 0 };
  const ended = create(script(`!text ${LONG.chunks} ${LONG.everyMs}`).text, { stream: true }, gateway).then((answer) =>
    readFrames(answer, (frames) => {
      seen.frames = frames.length;
      return false;
    }),
  );
  return { seen, ended };
}

async function statusOf(id: string): Promise<string> {
  const answer = await fetch(`${system.gateways[0]}/v1/responses/${id}`, {
    headers: { authorization: `Bearer ${system.stack.apiKey}` },
  });
  return answer.ok ? ((await answer.json()) as { status: string }).status : `HTTP ${answer.status}`;
}

test('Postgres down for 30 s', { timeout: 150_000 }, async () => {
  // These come to the end of a step while Postgres is away: its result has to wait.
  const loops = await Promise.all(
    [1_000, 5_000, 12_000, 20_000].map(async (ms) => {
      const { text } = script(`!call get_time {"city":"Rome","_ms":${ms}}`, '!turn', '!say It is late.');
      return (await (await create(text, { background: true })).json()) as { id: string };
    }),
  );
  const streams = [0, 1, 0, 1].map(streaming);
  await eventually('all of them stream', async () => streams.every(({ seen }) => seen.frames > 5));
  await infra.postgres.kill();

  const until = performance.now() + DOWN_MS;
  const refused: { status: number; retryAfter: string | null }[] = [];
  while (performance.now() < until) {
    const before = streams.map(({ seen }) => seen.frames);
    const [answer] = await Promise.all([create(script('!text 1').text), sleep(LOOK_EVERY_MS)]);
    await answer.body?.cancel();
    refused.push({ status: answer.status, retryAfter: answer.headers.get('retry-after') });
    const gained = streams.map(({ seen }, index) => seen.frames - (before[index] ?? 0));
    expect(Math.min(...gained), `frames of each stream while Postgres is away: ${gained}`).toBeGreaterThan(5);
  }
  expect(refused.length).toBeGreaterThan(5);
  for (const { status, retryAfter } of refused) {
    expect(status).toBe(503);
    expect(Number(retryAfter)).toBeGreaterThan(0);
  }

  await infra.postgres.start();
  await healthy(system, 30_000);
  for (const { ended } of streams) {
    const { frames, done } = await ended;
    expect(done).toBe(true);
    expect(frames.map((frame) => eventOf(frame).sequence_number)).toEqual(frames.map((_, index) => index));
    expect(eventOf(frames.at(-1) ?? '').type).toBe('response.completed');
  }
  for (const { id } of loops) {
    await eventually('the loop has ended', async () => (await statusOf(id)) === 'completed', 60_000);
  }
  expect((await create(script('!text 1').text)).status).toBe(200);
});

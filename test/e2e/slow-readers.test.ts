/** Clients that never read: what a gateway keeps for each of them is bounded (I8), and the others do not notice. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const READERS = 40;
const PER_READER_BYTES = 256 * 1024;
/** Between two looks at what a gateway holds; collections and keep-alives come and go meanwhile. */
const LOOK_MS = 200;
const LOOKS = 10;
/** Collects garbage when it is told to: what is left is what is held. */
const COLLECTING = `data:text/javascript,${encodeURIComponent(
  `import v8 from 'node:v8'; import vm from 'node:vm';
   v8.setFlagsFromString('--expose_gc'); const gc = vm.runInNewContext('gc'); process.on('SIGUSR2', () => gc());`,
)}`;

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    env: { KEEP_ALIVE_MS: String(2 * LOOK_MS) },
    envFor: (role) => (role === 'gateway' ? { NODE_OPTIONS: `--import=${COLLECTING}` } : {}),
  });
});
afterAll(() => stack.stop());

async function metricsOf(url: string): Promise<(name: string) => number> {
  const text = await (await stack.validatingFetch(`${url}/metrics`)).text();
  return (name) => Number(new RegExp(`^${name}(?:\\{.*?\\})? (\\S+)$`, 'm').exec(text)?.[1]);
}

/** What the gateway holds, once that does not change any more while it has so many streams. */
async function heldBytes(streams: number): Promise<number> {
  const [url = ''] = stack.gateways;
  const pid = stack.processes().find(({ role }) => role === 'gateway')?.pid;
  if (pid === undefined) throw new Error('there is no gateway');
  let before = 0;
  let calm = 0;
  return eventually(
    `${streams} streams are at a standstill`,
    async () => {
      const metric = await metricsOf(url);
      const held = metric('nodejs_heap_size_used_bytes') + metric('nodejs_external_memory_bytes');
      const still = metric('tailrace_gateway_streams') === streams && Math.abs(held - before) < 1024 * 1024;
      calm = still ? calm + 1 : 0;
      before = held;
      process.kill(pid, 'SIGUSR2');
      await sleep(LOOK_MS);
      return calm >= 3 && held;
    },
    120_000,
  );
}

/**
 * What each of the streams that are open costs beyond `empty`. What they hold does not get less as long as nobody reads; what a
 * busy machine has not collected yet does.
 */
async function costOfEach(empty: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < LOOKS && least > PER_READER_BYTES; look += 1) {
    least = Math.min(least, ((await heldBytes(READERS)) - empty) / READERS);
  }
  return least;
}

/** Attaches a client that takes nothing of what it has asked for. */
function attachDeaf(id: string): Promise<Socket> {
  const { hostname, port } = new URL(stack.gateways[0] ?? '');
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.pause();
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.write(
        `GET /v1/responses/${id}?stream=true HTTP/1.1\r\nhost: t\r\nauthorization: Bearer ${stack.apiKey}\r\n\r\n`,
      );
      resolve(socket);
    });
  });
}

/** The frames of a whole log, to be compared with those of a stream that was judged as it came. */
async function framesOf(path: string): Promise<string[]> {
  const answer = await fetch(`${stack.gateways[0]}${path}`, { headers: { authorization: `Bearer ${stack.apiKey}` } });
  const parts = (await answer.text()).split('\n\n');
  expect(parts.splice(-2)).toEqual(['data: [DONE]', '']);
  return parts.filter((part) => !part.startsWith(':'));
}

const output = (bytes: number) => `!call get_weather {"city":"${crypto.randomUUID()}","_bytes":${bytes}}`;

describe.each([
  ['thirty thousand events', ['!text 30000']],
  ['messages of megabytes', [...Array.from({ length: 6 }, () => output(1_000_000)), '!turn', '!text 3']],
  [
    'small messages before large ones',
    ['!text 300 3', ...Array.from({ length: 3 }, () => output(2_000_000)), '!turn', '!text 3'],
  ],
])('a log of %s', (_, lines) => {
  test('forty clients that never read cost little each, and nobody else anything', {
    timeout: 300_000,
  }, async () => {
    const stream = await follow(stack, script(...lines).text);
    const { status } = await expectWhole(stack, stream);
    expect(status).toBe('completed');
    const path = `/v1/responses/${stream.id}?stream=true`;
    await framesOf(path);
    const empty = await heldBytes(0);
    const sockets = await Promise.all(Array.from({ length: READERS }, () => attachDeaf(stream.id)));
    const each = await costOfEach(empty);
    console.info(`each of ${READERS} clients that do not read costs ${Math.round(each / 1024)} KiB`);
    expect((await framesOf(path)).join('\n\n') === stream.frames.join('\n\n'), 'the same bytes').toBe(true);
    for (const socket of sockets) socket.destroy();
    await heldBytes(0);
    expect(each).toBeLessThanOrEqual(PER_READER_BYTES);
  });
});

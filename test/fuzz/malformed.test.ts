/** A hundred thousand requests that are wrong: each is told so, and nothing else happens. */
import { errorEnvelope } from '@tailrace/protocol';
import fc from 'fast-check';
import { Pool } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestStack, testStack } from '../harness/stack.ts';
import { type Malformed, malformed, oversized } from './malformed.ts';

const REQUESTS = 100_000;
/** Connections, and the requests that are under way on each. */
const CONNECTIONS = 8;
const ON_EACH = 8;
/** Every so many requests one is too large. */
const OVERSIZED_EVERY = 500;
const BODY_LIMIT = 256 * 1024;
const HEAP_MB = 128;
/** What is young has the room that it has by default: a small heap alone takes it away, and collecting is all that is done. */
const YOUNG_MB = 16;
/** What a gateway may hold more at the end than when it had warmed up. */
const GROWTH_MB = 64;

let stack: TestStack;
let pool: Pool;

beforeAll(async () => {
  stack = await testStack({
    env: { BODY_LIMIT_BYTES: String(BODY_LIMIT), LOG_LEVEL: 'warn' },
    // With so small a heap a leak is the end of the process, and garbage is not mistaken for one.
    envFor: (role) =>
      role === 'gateway' ? { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB} --max-semi-space-size=${YOUNG_MB}` } : {},
  });
  pool = new Pool(stack.gateways[0] ?? '', { connections: CONNECTIONS, pipelining: ON_EACH });
});
afterAll(async () => {
  await pool.destroy();
  await stack.stop();
});

const gateway = () => stack.processes().find((each) => each.role === 'gateway');

async function residentMb(): Promise<number> {
  const metrics = await (await fetch(`${stack.gateways[0]}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\d+)/m.exec(metrics)?.[1]) / 1024 / 1024;
}

async function send(request: Malformed): Promise<{ status: number; text: string }> {
  const { method, path, headers, body } = request;
  const answer = await pool.request({
    method,
    path,
    headers: { ...headers, authorization: `Bearer ${stack.apiKey}` },
    body,
    // Nothing comes of any: so one may be sent again, and sent before the one before it is answered.
    idempotent: true,
  });
  return { status: answer.statusCode, text: await answer.body.text() };
}

test('100,000 requests: no 5xx, no crash, no row, and memory stays flat', { timeout: 600_000 }, async () => {
  const pid = gateway()?.pid;
  const wrong: { kind: string; status: number; text: string }[] = [];
  const requests = fc.sample(malformed, { seed: 20_261_121, numRuns: 20_000 });
  const large = oversized(BODY_LIMIT);
  let next = 0;
  let warm = 0;
  const client = async () => {
    for (let index = next++; index < REQUESTS; index = next++) {
      if (index === Math.floor(REQUESTS / 4)) warm = await residentMb();
      const request = index % OVERSIZED_EVERY === 0 ? large : requests[index % requests.length];
      if (!request) throw new Error('there are no requests');
      const { status, text } = await send(request);
      const refused = status >= 400 && status < 500 && errorEnvelope.safeParse(JSON.parse(text)).success;
      if (!refused && wrong.length < 20) wrong.push({ kind: request.kind, status, text: text.slice(0, 200) });
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS * ON_EACH }, client));
  expect(wrong).toEqual([]);
  expect(gateway()?.pid, 'the gateway is the one that was there').toBe(pid);
  const { rows } = await stack.database.query<{ rows: string }>(
    'SELECT (SELECT count(*) FROM responses) + (SELECT count(*) FROM conversations) AS rows',
  );
  expect(Number(rows[0]?.rows)).toBe(0);
  expect((await residentMb()) - warm).toBeLessThan(GROWTH_MB);
});

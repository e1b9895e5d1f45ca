/** That the benchmark runs, and that it does not take anything broken for a measurement. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { closedLoop, LoadFailed } from './load.ts';
import type { BenchResults } from './results.ts';
import { percentile } from './samples.ts';
import type { Subject } from './subject.ts';
import { tailraceSubject } from './tailrace-subject.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const run = promisify(execFile);
const signal = new AbortController().signal;

describe('npm run bench', () => {
  test('measures every part on a real stack', async () => {
    const args = ['--quick', '--turn-ms', '150', '--streams', '1,4', '--concurrency', '4', '--json'];
    const env = { ...process.env, DATABASE_URL: await emptyDatabase() };
    const { stdout } = await run(process.execPath, [MAIN, ...args], { env });
    const results = JSON.parse(stdout) as BenchResults;
    expect(results.ttft.map(({ clients }) => clients)).toEqual([1, 4]);
    expect(results.events.map(({ clients }) => clients)).toEqual([1, 4]);
    expect(results.steps.map(({ clients, streaming }) => [clients, streaming])).toEqual([
      [4, false],
      [4, true],
    ]);
    const latencies = [...results.ttft, ...results.events].flatMap(({ direct, tailrace }) => [direct, tailrace]);
    const rates = results.steps.flatMap(({ direct, tailrace }) => [direct, tailrace]);
    for (const { count, p50, p99 } of [...latencies, ...rates.map(({ latency }) => latency)]) {
      expect(count).toBeGreaterThan(0);
      expect(p50).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50);
    }
    for (const { perSecond } of rates) expect(perSecond).toBeGreaterThan(0);
  });

  test('says what is wrong with its command line', async () => {
    const failure = run(process.execPath, [MAIN, '--only', 'nothing']);
    await expect(failure).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining("'nothing'") });
  });
});

describe('a stream counts', () => {
  let server: Server | undefined;
  let subject: Subject | undefined;

  afterEach(async () => {
    await subject?.close();
    server?.close();
  });

  const event = (id: number, type: string) => `event: ${type}\nid: ${id}\ndata: {"type":"${type}"}\n\n`;
  const created = event(0, 'response.created');
  const delta = event(1, 'response.output_text.delta');
  const completed = event(2, 'response.completed');
  const done = 'data: [DONE]\n\n';

  async function streamOf(answer: string): Promise<number> {
    const listening = createServer((_request, response) => response.end(answer)).listen(0, '127.0.0.1');
    server = listening;
    await once(listening, 'listening');
    subject = tailraceSubject([`http://127.0.0.1:${(listening.address() as AddressInfo).port}`], 'key', 1);
    return (await subject.stream('hello', 1, signal)).arrivals.length;
  }

  test('when it is whole, comments aside', async () => {
    expect(await streamOf(`${created}: keep-alive\n\n${delta}${completed}${done}`)).toBe(1);
  });

  test.each([
    ['an event is missing', created + event(2, 'response.output_text.delta') + event(3, 'response.completed') + done],
    ['an event comes twice', created + delta + delta + completed + done],
    ['it has failed', created + delta + event(2, 'response.failed') + done],
    ['the end is missing', created + delta + completed],
    ['it breaks off inside an event', (created + delta).slice(0, -1)],
    [
      'there is more text than there should be',
      created + delta + event(2, 'response.output_text.delta') + event(3, 'response.completed') + done,
    ],
  ])('not when %s', async (_, answer) => {
    await expect(streamOf(answer)).rejects.toThrow();
  });
});

describe('the parts', () => {
  test('one failure ends a load', async () => {
    let requests = 0;
    const load = closedLoop({ what: 'test', clients: 4, ms: 60_000, spreadMs: 0 }, signal, async () => {
      requests += 1;
      if (requests === 20) throw new Error('the 20th');
      await new Promise(setImmediate);
    });
    await expect(load).rejects.toThrow(new LoadFailed('test', new Error('the 20th')));
  });

  test('percentiles are values that were measured', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(percentile(values, 0.5)).toBe(100);
    expect(percentile(values, 0.99)).toBe(198);
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
  });
});

async function emptyDatabase(): Promise<string> {
  const url = new URL(inject('postgresUrl'));
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  url.pathname = `/bench_${randomBytes(8).toString('hex')}`;
  await client.query(`CREATE DATABASE ${url.pathname.slice(1)}`);
  await client.end();
  return url.href;
}

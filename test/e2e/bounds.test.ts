/** What is as large as it may be, and what never ends: complete, or a clear error, and no service grows by it. */
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { idOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const MIB = 1024 * 1024;
/** The defaults, as clients meet them. */
const BODY_BYTES = 32 * MIB;
const OUTPUT_BYTES = 32 * MIB;
const UPSTREAM_BYTES = 8 * MIB;
const ROOM_BYTES = 8 * MIB;
/** What a process may hold more after something has been done for the third time than after the first. */
const GROWTH = 128 * MIB;
const SERVICES = new Set(['gateway', 'orchestrator', 'model-caller', 'tool-runner']);

let stack: TestStack;
let servers: Endless;

interface Endless {
  url: string;
  /** Bytes that have been taken from a path. */
  sent: Map<string, number>;
  close(): Promise<void>;
}

/** Writes as fast as it is read, until it is read no more. */
function writeForEver(out: ServerResponse, piece: Buffer, count: (bytes: number) => void): void {
  const pieces = Readable.from(
    (function* () {
      for (;;) {
        count(piece.length);
        yield piece;
      }
    })(),
    { objectMode: false },
  );
  pieces.pipe(out);
  out.once('close', () => pieces.destroy());
}

async function startEndless(): Promise<Endless> {
  const sent = new Map<string, number>();
  const delta = { object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'and '.repeat(4_096) } }] };
  const server = createServer(async (request, out) => {
    const path = request.url ?? '';
    for await (const _ of request.resume());
    const count = (bytes: number) => sent.set(path, (sent.get(path) ?? 0) + bytes);
    const stream = path.startsWith('/v1/');
    if (path === '/large') {
      out.end(Buffer.alloc(OUTPUT_BYTES, 'x'));
      return;
    }
    out.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'text/plain' });
    writeForEver(out, stream ? Buffer.from(`data: ${JSON.stringify(delta)}\n\n`) : Buffer.alloc(65_536, 'x'), count);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

beforeAll(async () => {
  servers = await startEndless();
  const tool = { kind: 'http', models: ['demo'], timeout_ms: 60_000, parameters: { type: 'object' } };
  stack = await testStack({
    env: {
      UPSTREAM_MAX_BYTES: String(UPSTREAM_BYTES),
      QUEUE_PAYLOAD_BYTES: String(ROOM_BYTES),
      ACCEPT_TIMEOUT_MS: '60000',
    },
    config: {
      models: [{ name: 'endless', upstreams: [{ base_url: `${servers.url}/v1`, model: 'endless' }] }],
      tools: [
        { ...tool, name: 'endless_tool', url: `${servers.url}/endless` },
        { ...tool, name: 'large_tool', url: `${servers.url}/large` },
      ],
    },
  });
});
afterAll(async () => {
  await stack.stop();
  await servers.close();
});

/** A number that a service tells of itself. */
async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
}

/** Bytes that each service holds. */
async function resident(): Promise<Map<string, number>> {
  const services = stack.processes().filter(({ role }) => SERVICES.has(role));
  return new Map(
    await Promise.all(
      services.map(
        async ({ role, url = '' }) => [role, await metric(url, 'process_resident_memory_bytes')] as [string, number],
      ),
    ),
  );
}

/** Does something twice; no service may be much larger after the second time than after the first. */
async function expectFlat(work: () => Promise<void>): Promise<void> {
  await work();
  const warm = await resident();
  expect(warm.size).toBe(SERVICES.size);
  await work();
  const after = await resident();
  for (const [role, bytes] of after) expect(bytes - (warm.get(role) ?? 0), role).toBeLessThan(GROWTH);
}

const create = (body: Record<string, unknown>) =>
  stack.fetch('/v1/responses', { method: 'POST', body: JSON.stringify({ model: 'demo', ...body }) });

/** A body of exactly so many bytes; a single text may have no more than ten million characters. */
function bodyOf(bytes: number) {
  const body = (texts: string[]) => ({
    model: 'demo',
    input: [{ role: 'user', content: texts.map((text) => ({ type: 'input_text', text })) }],
  });
  const first = `${script('!say Read.').text}\n`;
  const rest = bytes - JSON.stringify(body([first, '', '', '', ''])).length;
  const quarter = Math.floor(rest / 4);
  const fill = (count: number) => 'x'.repeat(count);
  return body([first, fill(quarter), fill(quarter), fill(quarter), fill(rest - 3 * quarter)]);
}

/** What a client hears that says how large its body is, and waits before it sends it. */
async function announced(bytes: number): Promise<{ status: number | undefined; body: unknown }> {
  const request = httpRequest(`${stack.gateways[0]}/v1/responses`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${stack.apiKey}`,
      'content-type': 'application/json',
      'content-length': String(bytes),
    },
  });
  request.flushHeaders();
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const body = await json(answer);
  request.destroy();
  return { status: answer.statusCode, body };
}

describe('what never ends', () => {
  test('an answer of a model: the response fails, and says why', { timeout: 120_000 }, async () => {
    await expectFlat(async () => {
      const response = await expectWhole(stack, await follow(stack, 'Go on.', { body: { model: 'endless' } }));
      expect(response).toMatchObject({ status: 'failed', error: { code: 'upstream_too_large' } });
      expect(response.error?.message).toContain(`${UPSTREAM_BYTES} bytes`);
      expect(response.output).toMatchObject([{ type: 'message', status: 'incomplete' }]);
    });
  });

  test('an output of a tool: the model is told, and goes on', { timeout: 120_000 }, async () => {
    await expectFlat(async () => {
      const { text } = script('!call endless_tool {}', '!turn', '!say I see.');
      const response = await expectWhole(stack, await follow(stack, text));
      expect(response).toMatchObject({ status: 'completed', error: null });
      const output = response.output.find(({ type }) => type === 'function_call_output');
      expect(JSON.parse(String(output && 'output' in output && output.output))).toMatchObject({
        error: { code: 'tool_output_too_large', message: expect.stringContaining(`${OUTPUT_BYTES} bytes`) },
      });
    });
    const each = (servers.sent.get('/endless') ?? 0) / 2;
    expect(each).toBeGreaterThan(OUTPUT_BYTES);
    expect(each, 'the tool is left, not read to no end').toBeLessThan(OUTPUT_BYTES + 16 * MIB);
  });
});

describe('what is as large as it may be', () => {
  test('a body of 32 MiB is answered; a byte more is a 413', { timeout: 180_000 }, async () => {
    await expectFlat(async () => {
      const answer = await create(bodyOf(BODY_BYTES));
      expect(await answer.json()).toMatchObject({ status: 'completed', output: [{ content: [{ text: 'Read.' }] }] });
      expect(await announced(BODY_BYTES + 1)).toMatchObject({
        status: 413,
        body: { error: { code: 'request_too_large' } },
      });
    });
  });

  test('an output of 32 MiB is told to the model and to clients, whole', { timeout: 180_000 }, async () => {
    await expectFlat(async () => {
      const { text } = script('!call large_tool {}', '!turn', '!say Read.');
      const response = (await (await create({ input: text })).json()) as OpenAI.Responses.Response;
      expect(response.status).toBe('completed');
      const outputs = (response.output as { type: string; output?: string }[]).filter(
        ({ type }) => type === 'function_call_output',
      );
      expect(outputs.map(({ output }) => output?.length)).toEqual([OUTPUT_BYTES]);
    });
  });

  test('a log of 10,000 events is read to its end by whoever comes late', { timeout: 180_000 }, async () => {
    const followed = await follow(stack, script('!text 11000 0').text, { timeoutMs: 90_000 });
    const { id, status } = await expectWhole(stack, followed);
    expect(status).toBe('completed');
    expect(followed.frames.length).toBeGreaterThan(10_000);
    await expectFlat(async () => {
      const late = await Promise.all(
        Array.from({ length: 4 }, async () => readFrames(await stack.fetch(`/v1/responses/${id}?stream=true`))),
      );
      for (const { frames, done } of late) {
        expect(done).toBe(true);
        expect(frames.map(idOf)).toEqual(followed.frames.map(idOf));
        expect(frames.join('\n\n') === followed.frames.join('\n\n'), 'the same bytes').toBe(true);
      }
    });
  });
});

describe('many large prompts at once', () => {
  test('wait for each other, and not for ever; small ones do not wait', { timeout: 180_000 }, async () => {
    const worker = stack.processes().find(({ role }) => role === 'model-caller')?.url ?? '';
    const held = () => metric(worker, 'tailrace_worker_payload_bytes');
    let most = 0;
    await expectFlat(async () => {
      const large = Array.from({ length: 8 }, () => script('!text 20 40'));
      let ended = 0;
      const running = large.map(async ({ text }) => {
        const answer = await (await create({ input: `${text}\n${'x'.repeat(3 * MIB)}` })).json();
        ended += 1;
        return answer;
      });
      const all = Promise.all(running);
      await eventually('the room is taken', async () => (await held()) > 3 * MIB);
      const small = await (await create({ input: script('!text 3').text })).json();
      expect(ended, 'large ones are still at it').toBeLessThan(large.length);
      while (ended < large.length) {
        most = Math.max(most, await held());
        await sleep(20);
      }
      for (const answer of [...(await all), small]) expect(answer).toMatchObject({ status: 'completed' });
      const spans = (await Promise.all(large.map(({ marker }) => callsWith(stack, marker)))).flat();
      expect(spans).toHaveLength(large.length);
      for (const { at } of spans) {
        const beside = spans.filter((other) => other.at <= at && at < (other.closed_at ?? Number.POSITIVE_INFINITY));
        expect(beside.length).toBeLessThanOrEqual(Math.floor(ROOM_BYTES / (3 * MIB)));
      }
    });
    expect(most).toBeGreaterThan(3 * MIB);
    expect(most).toBeLessThanOrEqual(ROOM_BYTES);
    await eventually('the room is empty', async () => (await held()) === 0);
  });
});

/** JetStream loses what came last, as in a power cut: its data is put back to an earlier state, and its streams go on from there. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { foldEvents, type ResponseEvent, TERMINAL_EVENTS } from '@tailrace/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, idOf, type RawStream, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    env: { LOST_LOG_CHECK_MS: '500', SWEEP_AFTER_MS: '3000', SWEEP_EVERY_MS: '500', HEARTBEAT_MS: '500' },
  });
  stack.checks.allowLostLogs();
});
afterAll(() => stack.stop());

const live = () => join(stack.dataDir, 'nats');
const kept = () => join(stack.dataDir, 'kept');

/** The state that NATS is put back to. */
async function keep(): Promise<void> {
  await stack.kill('nats', 0, 'SIGKILL');
  await rm(kept(), { recursive: true, force: true });
  await cp(live(), kept(), { recursive: true });
  await stack.start('nats', 0);
}

async function putBack(): Promise<void> {
  await stack.kill('nats', 0, 'SIGKILL');
  await rm(live(), { recursive: true, force: true });
  await cp(kept(), live(), { recursive: true });
  await stack.start('nats', 0);
}

async function made(text: string): Promise<string> {
  const body = JSON.stringify({ model: 'demo', input: text, background: true });
  const response = (await (await stack.fetch('/v1/responses', { method: 'POST', body })).json()) as { id: string };
  return response.id;
}

const lastEvent = async (id: string) => (await stack.logEnd(id))?.meta.last ?? 0;
const ended = (id: string) =>
  eventually('it has ended', async () => {
    const query = 'SELECT 1 FROM responses WHERE id = $1 AND ended_at IS NOT NULL';
    return (await stack.database.query(query, [uuidOf(id)])).rowCount === 1;
  });

/** Resolves when the orchestrators have noted what the log has now. */
async function noted(id: string): Promise<void> {
  const end = (await stack.logEnd(id))?.streamSeq ?? 0;
  await eventually('the end of the log is noted', async () => {
    const query = "SELECT value FROM installation WHERE name = 'end of TR_LOG_0'";
    const { rows } = await stack.database.query<{ value: string }>(query);
    return Number(rows[0]?.value.split(' ')[0]) >= end;
  });
}

/** Numbers that never go back or repeat, one end, and from where the stream began the last time what `GET` returns. */
async function expectConverged(id: string, stream: RawStream): Promise<ResponseEvent[]> {
  expect(stream.done).toBe(true);
  const numbers = stream.frames.map(idOf);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  const events = stream.frames.map(eventOf);
  expect(events.filter((event) => TERMINAL_EVENTS.has(event.type))).toHaveLength(1);
  const begun = events.slice(events.findLastIndex((event) => event.type === 'response.created'));
  expect(await (await stack.fetch(`/v1/responses/${id}`)).json()).toEqual(foldEvents(begun));
  return begun;
}

const attach = async (id: string) => readFrames(await stack.fetch(`/v1/responses/${id}?stream=true`));
const modelCalls = async (marker: string) =>
  (await callsWith(stack, marker)).filter((call) => call.kind === 'model').length;

test('a response that had ended: its step is not run again, its stream comes to its end', async () => {
  const { text, marker } = script('!text 150 20');
  const id = await made(text);
  await eventually('the answer has begun', async () => (await lastEvent(id)) > 30);
  await keep();
  await ended(id);
  await noted(id);
  const calls = await modelCalls(marker);
  await putBack();
  const begun = await expectConverged(id, await attach(id));
  expect(begun.at(-1)?.type).toBe('response.completed');
  await expectConverged(id, await attach(id));
  expect(await modelCalls(marker)).toBe(calls);
});

test('a response in its model call: who listens sees it begin anew, with higher numbers, and end', async () => {
  const { text } = script('!text 400 20');
  let keeping: Promise<void> | undefined;
  let back: Promise<void> | undefined;
  const stream = await follow(stack, text, {
    timeoutMs: 90_000,
    onFrame: (frames, id) => {
      if (frames.length > 20) keeping ??= keep();
      if (frames.length > 80) back ??= keeping?.then(() => noted(id)).then(putBack);
    },
  });
  await back;
  const begun = await expectConverged(stream.id, stream);
  expect(begun[0]?.sequence_number).toBeGreaterThan(1_000_000);
  await expectConverged(stream.id, await attach(stream.id));
});

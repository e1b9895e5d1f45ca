/** Model steps inside agents: they share their log with others, and show as much of themselves as the client wants. */
import { once } from 'node:events';
import type { AgentPlace, ModelWork } from '@tailrace/bus';
import {
  append,
  CLOSING_ATTEMPT,
  decodeFrames,
  EMPTY_LOG,
  Fenced,
  type LogMessage,
  type LogMeta,
  LogWriter,
  readLog,
} from '@tailrace/log';
import { foldItems, newId, type ResponseEvent } from '@tailrace/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { delta, type TestNats, testNats } from '../../../packages/log/test/nats.ts';
import { runModelStep } from '../src/model-step.ts';
import { modelWork, promptOf, stepContext } from './model-steps.ts';
import { hangsAfter, startUpstream, streams, type UpstreamServer } from './upstream-server.ts';
import { candidate, testClient, upstreams } from './upstreams.ts';

let nats: TestNats;
const upstream = testClient();
beforeAll(async () => {
  nats = await testNats();
});
afterAll(async () => {
  await upstream.close();
  await nats.stop();
});

let server: UpstreamServer;
afterEach(() => server.close());

const never = new AbortController().signal;
const FIRST = { attempt: 1, takeover: false };
const AGAIN = { attempt: 2, takeover: true };

const context = () => stepContext({ bus: nats.bus, upstream });

function work(agent: Partial<AgentPlace>, fields: Partial<ModelWork> = {}): ModelWork {
  const place = { parentStepId: newId(Date.now()), name: 'researcher', depth: 1, shown: true, ...agent };
  return modelWork({ prompt: promptOf('hello'), agent: place, ...fields });
}

const target = () => upstreams(candidate(server.url));

async function messagesOf({ responseId }: ModelWork): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  for await (const message of readLog({ bus: nats.bus, partition: 0, id: responseId }, 0)) messages.push(message);
  return messages;
}

async function eventsOf(step: ModelWork): Promise<ResponseEvent[]> {
  const events = (await messagesOf(step)).flatMap(({ bytes }) => decodeFrames(bytes));
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
  return events;
}

/** The events inside the progress of a step. */
function inside(events: ResponseEvent[]): ResponseEvent[] {
  return events.flatMap((event) =>
    event.type === 'tailrace.progress' ? [{ ...event.event, sequence_number: event.sequence_number }] : [],
  );
}

const text = (content: string) => ({ choices: [{ delta: { content } }] });
const stop = { choices: [{ delta: {}, finish_reason: 'stop' }] };
const hello = () => streams(text('hello'), text(' world'), stop, '[DONE]');

/** What another process appends to the log meanwhile. */
async function foreign(step: ModelWork, fields: Partial<LogMeta> & { events?: number } = {}): Promise<void> {
  const { events = 0, ...others } = fields;
  const last = (await messagesOf(step)).at(-1);
  const first = last ? last.meta.last + 1 : 0;
  const meta = { first, last: first + events - 1, cursor: 1, writer: newId(0), step: null, seal: null, ended: null };
  const log = { bus: nats.bus, partition: 0, id: step.responseId };
  await append(log, last?.streamSeq ?? 0, { ...meta, ...others }, Buffer.from(''), never);
}

describe('a step that is shown', () => {
  test('tells its events as the progress of its agent', async () => {
    server = await startUpstream(hello());
    const step = work({ depth: 2 });
    const outcome = await runModelStep(context(), step, target(), FIRST, never);
    const events = await eventsOf(step);
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['tailrace.progress']));
    expect(events[0]).toMatchObject({
      step_id: `step_${step.stepId.replaceAll('-', '')}`,
      parent_step_id: `step_${step.agent?.parentStepId.replaceAll('-', '')}`,
      agent: 'researcher',
      depth: 2,
      event: { type: 'response.output_item.added', output_index: 0 },
    });
    expect(foldItems(inside(events), 0)).toEqual(outcome.result?.items.map(({ item }) => item));
    expect(outcome.events).toBe(events.length);
  });

  test('is taken over where its predecessor stopped, though others have written since', async () => {
    server = await startUpstream(hangsAfter(text('hello')), hello());
    const step = work({});
    const dead = new AbortController();
    const first = runModelStep(context(), step, target(), FIRST, dead.signal).catch((error: unknown) => error);
    await expect.poll(() => eventsOf(step), { timeout: 10_000 }).toHaveLength(3);
    dead.abort(new Error('killed'));
    await first;
    await foreign(step, { cursor: 5 });
    const outcome = await runModelStep(context(), step, target(), AGAIN, never);
    const events = await eventsOf(step);
    expect(inside(events).flatMap((event) => ('delta' in event ? [event.delta] : []))).toEqual(['hello', ' world']);
    expect(foldItems(inside(events), 0)).toEqual(outcome.result?.items.map(({ item }) => item));
    expect(outcome).toMatchObject({ events: events.length, log: { cursor: 5, nextEvent: events.length } });
  });

  test('goes on beside another one in the same log', async () => {
    server = await startUpstream(
      streams(...Array.from({ length: 40 }, (_, index) => text(`a${index} `)), stop, '[DONE]'),
      streams(...Array.from({ length: 40 }, (_, index) => text(`b${index} `)), stop, '[DONE]'),
    );
    const one = work({});
    const other = { ...work({}), responseId: one.responseId };
    const outcomes = await Promise.all(
      [one, other].map((step) => runModelStep(context(), step, target(), FIRST, never)),
    );
    const events = await eventsOf(one);
    for (const [index, step] of [one, other].entries()) {
      const own = events.filter(
        (event) => event.type === 'tailrace.progress' && event.step_id.endsWith(step.stepId.replaceAll('-', '')),
      );
      expect(own).toHaveLength(outcomes[index]?.events ?? -1);
      expect(foldItems(inside(own), 0)).toEqual(outcomes[index]?.result?.items.map(({ item }) => item));
    }
  });
});

describe('a step that is hidden', () => {
  test('leaves no event in the log, and is done for whoever comes after it', async () => {
    server = await startUpstream(hello());
    const step = work({ shown: false });
    const outcome = await runModelStep(context(), step, target(), FIRST, never);
    expect(outcome).toMatchObject({ events: 0, result: { items: [{ item: { content: [{ text: 'hello world' }] } }] } });
    expect((await messagesOf(step)).map(({ bytes }) => bytes.length)).toEqual([0]);
    const again = await runModelStep(context(), step, target(), AGAIN, never);
    expect(again).toEqual({ ...outcome, calls: [] });
    expect(server.asked).toHaveLength(1);
  });

  test('is done for whoever comes after it also when its output fits into no header', async () => {
    const long = 'long '.repeat(40_000);
    server = await startUpstream(streams(text(long), stop, '[DONE]'));
    const step = work({ shown: false });
    const outcome = await runModelStep(context(), step, target(), FIRST, never);
    expect(outcome.result?.items).toMatchObject([{ item: { content: [{ text: long }] } }]);
    const again = await runModelStep(context(), step, target(), AGAIN, never);
    expect(again).toEqual({ ...outcome, calls: [] });
    expect(server.asked).toHaveLength(1);
  });

  test('is begun again by a later attempt, which shuts the earlier one out', async () => {
    server = await startUpstream(hangsAfter(text('hello')), hello());
    const step = work({ shown: false });
    const frozen = runModelStep(context(), step, target(), FIRST, never);
    await expect.poll(() => server.asked.length, { timeout: 10_000 }).toBe(1);
    const outcome = await runModelStep(context(), step, target(), AGAIN, never);
    expect(outcome.result?.items).toMatchObject([{ item: { content: [{ text: 'hello world' }] } }]);
    const [asked] = server.asked;
    const left = asked && once(asked.response, 'close');
    asked?.response.end(`data: ${JSON.stringify(stop)}\n\ndata: [DONE]\n\n`);
    await left;
    await expect(frozen).rejects.toThrow(Fenced);
    expect((await messagesOf(step)).map(({ meta }) => [meta.step?.attempt, meta.seal !== null])).toEqual([
      [2, false],
      [2, true],
    ]);
  });
});

describe('a step whose log is closed to it', () => {
  test('is over, and a sibling that is closed is none of its business', async () => {
    server = await startUpstream(hello(), hello());
    const step = work({});
    await foreign(step, { step: { id: newId(0), attempt: CLOSING_ATTEMPT } });
    expect(await runModelStep(context(), step, target(), FIRST, never)).toMatchObject({ error: null });
    const closed = work({});
    await foreign(closed, { step: { id: closed.stepId, attempt: CLOSING_ATTEMPT } });
    await foreign(closed, { step: { id: newId(0), attempt: 1 } });
    expect(await runModelStep(context(), closed, target(), FIRST, never)).toMatchObject({
      error: { code: 'response_cancelled' },
      events: 0,
    });
    expect(await eventsOf(closed)).toEqual([]);
  });

  test('does not begin again after the end of its response', async () => {
    server = await startUpstream(hello());
    const step = work({});
    await foreign(step, { ended: 'cancelled' });
    const outcome = await runModelStep(context(), step, target(), AGAIN, never);
    expect(outcome).toMatchObject({ error: { code: 'response_cancelled' } });
    expect(server.asked).toEqual([]);
    expect(await messagesOf(step)).toHaveLength(1);
  });
});

test('a sibling that writes all the time keeps nobody from taking over', async () => {
  server = await startUpstream(hello());
  const step = work({});
  const log = { bus: nats.bus, partition: 0, id: step.responseId };
  const id = newId(0);
  const sibling = new LogWriter({
    target: log,
    from: EMPTY_LOG,
    writer: id,
    step: { id, attempt: 1 },
    bufferLimit: 1_000,
    messageLimit: 1,
    shared: true,
    signal: never,
  });
  let busy = true;
  const writing = (async () => {
    while (busy) {
      sibling.write([delta('x')]);
      await new Promise((resolve) => setImmediate(resolve));
      await sibling.ready();
    }
    await sibling.end('{}');
  })();
  const outcome = await runModelStep(context(), step, target(), AGAIN, never);
  busy = false;
  await writing;
  expect(outcome.result?.items).toMatchObject([{ item: { content: [{ text: 'hello world' }] } }]);
});

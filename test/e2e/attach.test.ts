import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectWhole } from '../harness/invariants.ts';
import { script, threeSteps } from '../harness/scripts.ts';
import { eventOf, type RawStream, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({ replicas: { gateway: 2, orchestrator: 2, modelCaller: 2, toolRunner: 2 } });
});
afterAll(() => stack.stop());

function create(input: string, gateway = 0): Promise<Response> {
  return stack.fetch('/v1/responses', {
    gateway,
    method: 'POST',
    body: JSON.stringify({ model: 'demo', input, stream: true }),
  });
}

function attach(id: string, after: number | null, by: 'query' | 'header', gateway: number): Promise<Response> {
  const query = after !== null && by === 'query' ? `&starting_after=${after}` : '';
  const headers: Record<string, string> = after !== null && by === 'header' ? { 'last-event-id': String(after) } : {};
  return stack.fetch(`/v1/responses/${id}?stream=true${query}`, { gateway, headers });
}

function idIn(frame: string | undefined): string {
  const event = frame === undefined ? undefined : eventOf(frame);
  if (event?.type !== 'response.created') throw new Error('the first event creates');
  return event.response.id;
}

describe('attaching at another gateway', () => {
  test('after every single event, live: the bytes are the rest of the uninterrupted stream (I1–I4)', async () => {
    const attached: { after: number; stream: Promise<RawStream> }[] = [];
    let id = '';
    const whole = await readFrames(await create(threeSteps().text), (frames) => {
      id ||= idIn(frames[0]);
      const after = frames.length - 1;
      const by = after % 2 === 0 ? 'query' : 'header';
      attached.push({ after, stream: attach(id, after, by, 1).then((response) => readFrames(response)) });
      return false;
    });
    expect(whole.frames.length).toBeGreaterThan(50);
    expect(attached.length).toBe(whole.frames.length);
    for (const { after, stream } of attached) {
      expect((await stream).done).toBe(true);
      expect((await stream).frames, `after event ${after}`).toEqual(whole.frames.slice(after + 1));
    }
    const response = await expectWhole(stack, whole);
    expect(response.output.map((item) => item.type)).toEqual([
      'reasoning',
      'function_call',
      'function_call',
      'function_call_output',
      'function_call_output',
      'message',
      'function_call',
      'function_call_output',
      'reasoning',
      'message',
    ]);
  });

  test('after every single event, once it has ended', async () => {
    const whole = await readFrames(await create(threeSteps({ toolMs: 1, chunkMs: 0 }).text));
    const id = idIn(whole.frames[0]);
    const suffixes = whole.frames.map(async (_, after) => {
      const by = after % 2 === 0 ? 'header' : 'query';
      const stream = await readFrames(await attach(id, after, by, after % 2));
      expect(stream.frames, `after event ${after}`).toEqual(whole.frames.slice(after + 1));
      expect(stream.done).toBe(true);
    });
    await Promise.all(suffixes);
    expect((await readFrames(await attach(id, null, 'query', 1))).frames).toEqual(whole.frames);
    await expectWhole(stack, whole);
  });

  test('twenty clients at random points at once', async () => {
    const starting = create(threeSteps({ chunks: 60, chunkMs: 10 }).text);
    const clients: Promise<RawStream>[] = [];
    const afters: number[] = [];
    let id = '';
    const whole = await readFrames(await starting, (frames) => {
      id ||= idIn(frames[0]);
      if (frames.length === 20) {
        for (let client = 0; client < 20; client += 1) {
          const after = Math.floor(Math.random() * 20);
          afters.push(after);
          clients.push(attach(id, after, 'query', client % 2).then((response) => readFrames(response)));
        }
      }
      return false;
    });
    const streams = await Promise.all(clients);
    streams.forEach((stream, client) => {
      expect(stream.frames).toEqual(whole.frames.slice((afters[client] ?? 0) + 1));
    });
    expect(streams.length).toBe(20);
    await expectWhole(stack, whole);
  });

  test('a client that leaves half way does not end the response', async () => {
    const { text } = script('!text 40 10');
    const controller = new AbortController();
    const begun = await stack.fetch('/v1/responses', {
      method: 'POST',
      signal: controller.signal,
      body: JSON.stringify({ model: 'demo', input: text, stream: true }),
    });
    const seen = await readFrames(begun, (frames) => frames.length === 12);
    controller.abort();
    const id = idIn(seen.frames[0]);
    const rest = await readFrames(await attach(id, 11, 'header', 1));
    const whole = { frames: [...seen.frames, ...rest.frames], done: rest.done };
    const response = await expectWhole(stack, whole);
    expect(response.status).toBe('completed');
  });

  test('an attach after the last event gets nothing but the end', async () => {
    const whole = await readFrames(await create(script('!text 3').text));
    const id = idIn(whole.frames[0]);
    const stream = await readFrames(await attach(id, whole.frames.length - 1, 'query', 1));
    expect(stream).toEqual({ frames: [], done: true });
  });
});

describe('a log that is gone', () => {
  test('is projected from the chain: the same response, the terminal event with its own number', async () => {
    const whole = await readFrames(await create(threeSteps({ chunkMs: 0 }).text));
    const id = idIn(whole.frames[0]);
    const expected = await expectWhole(stack, whole);
    await stack.purgeLog(id);
    const replayed = await readFrames(await attach(id, null, 'query', 1));
    const events = replayed.frames.map(eventOf);
    const last = events.at(-1);
    expect(replayed.done).toBe(true);
    expect(last?.sequence_number).toBe(whole.frames.length - 1);
    expect(last && 'response' in last ? last.response : undefined).toEqual(expected);
    const past = await readFrames(await attach(id, whole.frames.length - 2, 'query', 0));
    expect(past.frames).toEqual([whole.frames.at(-1)]);
  });
});

/** `POST /v1/responses/{id}/cancel`: any live response, at any gateway; what had come is kept. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { eventOf } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({ replicas: { gateway: 2, orchestrator: 2, modelCaller: 2 } });
});
afterAll(() => stack.stop());

const cancel = (id: string, gateway = 0) =>
  stack.fetch(`/v1/responses/${id}/cancel`, { method: 'POST', body: '{}', gateway });

/** The calls of tools whose request contains `marker`. */
async function toolCalls(marker: string) {
  return (await callsWith(stack, marker)).filter(({ kind }) => kind === 'tool');
}

/** Follows a response and cancels it once `when` is true of what has come. */
async function followAndCancel(text: string, when: (frames: readonly string[]) => boolean) {
  let asked: Promise<Response> | undefined;
  const stream = await follow(stack, text, {
    onFrame: (frames, id) => {
      if (asked === undefined && when(frames)) asked = cancel(id, 1);
    },
  });
  const answer = await asked;
  if (!answer) throw new Error('the response was never cancelled');
  return { stream, answer };
}

describe('a response whose model is talking', () => {
  test('ends as cancelled, with the text that had come and its usage; the stream says so', async () => {
    const { text } = script('!reasoning 3', '!text 2000 10');
    const { stream, answer } = await followAndCancel(text, (frames) => frames.length > 15);
    expect(answer.status).toBe(200);
    const cancelled = (await answer.json()) as { status: string };
    const response = await expectWhole(stack, stream);
    expect(cancelled).toEqual(response);
    expect(response).toMatchObject({ status: 'cancelled', error: null, incomplete_details: null, completed_at: null });
    expect(response.output).toMatchObject([
      { type: 'reasoning', status: 'completed' },
      { type: 'message', status: 'incomplete', content: [{ text: expect.stringMatching(/^w1 w2 /) }] },
    ]);
    expect(response.usage?.input_tokens).toBeGreaterThan(0);
    expect(response.usage?.output_tokens).toBeGreaterThan(5);
    expect(eventOf(stream.frames.at(-1) ?? '').type).toBe('response.incomplete');
  });

  test('the upstream is let go within a second, and its call is booked', async () => {
    const { text, marker } = script('!text 3000 10');
    const started = performance.now();
    const { stream } = await followAndCancel(text, (frames) => frames.length > 8);
    const call = await eventually(
      'the upstream noticed',
      async () => (await callsWith(stack, marker)).find((each) => each.closed_at !== null),
      1_000,
    );
    expect(call.ended).toBe('aborted');
    expect(performance.now() - started).toBeLessThan(5_000);
    const booked = await eventually('the call is booked', async () => {
      const { rows } = await stack.database.query<{ error_code: string }>(
        `SELECT a.error_code FROM http_analytics a WHERE a.response_id = $1::uuid`,
        [stream.id.replace('resp_', '')],
      );
      return rows[0];
    });
    expect(booked.error_code).not.toBeNull();
  });

  test('cancelled before the model has said a word', async () => {
    const { text } = script('!hang 0');
    const { stream, answer } = await followAndCancel(text, (frames) => frames.length === 2);
    expect(answer.status).toBe(200);
    const response = await expectWhole(stack, stream);
    expect(response).toMatchObject({ status: 'cancelled', output: [] });
  });
});

describe('a response whose tools are running', () => {
  test('lets go of them; their outputs stay open', async () => {
    const city = `city-${crypto.randomUUID()}`;
    const { text } = script('!say Wait.', `!call get_weather {"city":"${city}","_hang":true}`, '!turn', '!text 3');
    let id = '';
    const cancelWhenCalled = async () => {
      // Its output is announced when the call is handed out, so the call itself may be a moment later.
      await eventually('the tool is called', async () => (await toolCalls(city)).length > 0);
      expect((await cancel(id, 1)).status).toBe(200);
    };
    const [stream] = await Promise.all([
      follow(stack, text, {
        onFrame: (_frames, created) => {
          id = created;
        },
      }),
      cancelWhenCalled(),
    ]);
    const response = await expectWhole(stack, stream);
    expect(response.status).toBe('cancelled');
    expect(response.output).toMatchObject([
      { type: 'message', status: 'completed' },
      { type: 'function_call', status: 'completed' },
      { type: 'function_call_output', status: 'incomplete', output: '' },
    ]);
    const { rows } = await stack.database.query<{ state: string }>(
      'SELECT state FROM response_steps WHERE response_id = $1::uuid ORDER BY sequence',
      [stream.id.replace('resp_', '')],
    );
    expect(rows.map((row) => row.state)).toEqual(['completed', 'canceled']);
    await eventually(
      'the tool noticed',
      async () => (await toolCalls(city)).every((call) => call.closed_at !== null),
      2_000,
    );
  });
});

describe('a response that has ended', () => {
  test('is returned as it is, however often', async () => {
    const stream = await follow(stack, script('!text 3').text);
    const response = await expectWhole(stack, stream);
    for (const gateway of [0, 1, 0]) {
      const answer = await cancel(stream.id, gateway);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toEqual(response);
    }
    const again = await followAndCancel(script('!text 500 10').text, (frames) => frames.length > 5);
    const first = await again.answer.json();
    expect(await (await cancel(again.stream.id)).json()).toEqual(first);
  });
});

test('in the background, by the client of OpenAI', async () => {
  const client = stack.openai();
  const { id } = await client.responses.create({
    model: 'demo',
    input: script('!text 3000 10').text,
    background: true,
  });
  const cancelled = await client.responses.cancel(id);
  expect(cancelled.status).toBe('cancelled');
  expect((await client.responses.retrieve(id)).status).toBe('cancelled');
});

test('many at once, all while they talk: each ends once, and whole', async () => {
  const runs = Array.from({ length: 12 }, (_, index) =>
    followAndCancel(script('!reasoning 2', `!text 2000 ${index % 3}`).text, (frames) => frames.length > 5 + index * 3),
  );
  for (const { stream, answer } of await Promise.all(runs)) {
    expect(answer.status).toBe(200);
    const response = await expectWhole(stack, stream);
    expect(['cancelled', 'completed']).toContain(response.status);
  }
});

test('what is not there cannot be cancelled', async () => {
  const answer = await cancel(`resp_${'0'.repeat(32)}`);
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({ error: { code: 'response_not_found' } });
});

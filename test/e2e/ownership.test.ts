/** Who may see a response (I7), and which requests are the same one. */
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';

const KEYS = {
  stranger: 'sk-stranger-0123456789abcdef',
  colleague: 'sk-colleague-0123456789abcdef',
  outsider: 'sk-outsider-0123456789abcdef',
};

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    replicas: { gateway: 2, orchestrator: 2 },
    config: {
      keys: [
        { name: 'stranger', key: KEYS.stranger, groups: ['everyone'] },
        // Another key of the owner of the stack's own key.
        { name: 'colleague', key: KEYS.colleague, owner: 'local', groups: ['everyone'] },
        { name: 'outsider', key: KEYS.outsider, groups: ['others'] },
      ],
    },
  });
});
afterAll(() => stack.stop());

const as = (key: string, gateway = 0) => stack.openai(gateway, { apiKey: key });

const get = (path: string, key: string) => stack.fetch(path, { headers: { authorization: `Bearer ${key}` } });

describe("another owner's response (I7)", () => {
  async function expectHidden(id: string): Promise<void> {
    for (const path of [id, `${id}?stream=true`, `${id}?stream=true&starting_after=0`, `${id}/steps`]) {
      const answer = await get(`/v1/responses/${path}`, KEYS.stranger);
      expect({ path, status: answer.status, body: await answer.json() }).toEqual({
        path,
        status: 404,
        body: {
          error: {
            type: 'not_found_error',
            code: 'response_not_found',
            message: `Response with id '${id}' not found.`,
            param: null,
          },
        },
      });
    }
    const stranger = as(KEYS.stranger);
    await expect(stranger.responses.retrieve(id)).rejects.toThrow(OpenAI.NotFoundError);
    const goingOn = stranger.responses.create({ model: 'demo', input: 'Hi', previous_response_id: id });
    const error = await goingOn.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({
      code: 'previous_response_not_found',
      param: 'previous_response_id',
      message: `400 Previous response with id '${id}' not found.`,
    });
  }

  test('is not there, once it has ended', async () => {
    const response = await stack.openai().responses.create({ model: 'demo', input: script('!text 2').text });
    await expectHidden(response.id);
    expect((await stack.openai().responses.retrieve(response.id)).status).toBe('completed');
  });

  test('is not there while it runs; for one that never was, the answer is the same', async () => {
    const { text } = script('!text 60 50');
    const response = await stack.openai().responses.create({ model: 'demo', input: text, background: true });
    await expectHidden(response.id);
    expect((await stack.openai().responses.retrieve(response.id)).status).toBe('in_progress');
    await expectHidden('resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b');
  });

  test('is there for another key of the same owner', async () => {
    const response = await stack.openai().responses.create({ model: 'demo', input: script('!say Ours.').text });
    const colleague = as(KEYS.colleague, 1);
    expect(await colleague.responses.retrieve(response.id)).toEqual(response);
    const next = { model: 'demo', input: script('!say On.').text, previous_response_id: response.id };
    expect((await colleague.responses.create(next)).status).toBe('completed');
  });
});

test('a key of another group: its models are not there', async () => {
  const denied = as(KEYS.outsider).responses.create({ model: 'demo', input: 'Hi' });
  await expect(denied).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
});

describe('an Idempotency-Key', () => {
  const keyed = (idempotencyKey: string) => ({ headers: { 'Idempotency-Key': idempotencyKey } });

  async function modelCalls(marker: string): Promise<number> {
    return (await callsWith(stack, marker)).length;
  }

  test('sent again with the same body: the same response, made once, from any gateway', async () => {
    const { text, marker } = script('!text 3');
    const key = randomUUID();
    const params = { model: 'demo', input: text };
    const first = await stack.openai(0).responses.create(params, keyed(key));
    const again = await stack.openai(1).responses.create(params, keyed(key));
    expect(again).toEqual(first);
    expect(await modelCalls(marker)).toBe(1);
  });

  test('sent ten times at once: one response', async () => {
    const { text, marker } = script('!text 10 20');
    const key = randomUUID();
    const params = { model: 'demo', input: text };
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, n) => stack.openai(n % 2).responses.create(params, keyed(key))),
    );
    expect(new Set(all.map((each) => each.id)).size).toBe(1);
    for (const each of all) expect(each).toEqual(all[0]);
    expect(await modelCalls(marker)).toBe(1);
  });

  test('streamed, at the same time and afterwards: the same bytes', async () => {
    const { text, marker } = script('!reasoning 3', '!text 20 20');
    const key = randomUUID();
    const body = JSON.stringify({ model: 'demo', input: text, stream: true });
    const stream = async (gateway: number) => {
      const headers = { 'idempotency-key': key };
      return readFrames(await stack.fetch('/v1/responses', { method: 'POST', gateway, body, headers }));
    };
    const [one, two, three] = await Promise.all([stream(0), stream(1), stream(0)]);
    expect(one?.done).toBe(true);
    expect(two).toEqual(one);
    expect(three).toEqual(one);
    expect(await stream(1)).toEqual(one);
    expect(one?.frames.map(eventOf).at(-1)?.type).toBe('response.completed');
    expect(await modelCalls(marker)).toBe(1);
  });

  test('in the background: the second time tells how far it is', async () => {
    const { text, marker } = script('!text 2');
    const key = randomUUID();
    const params = { model: 'demo', input: text, background: true };
    const first = await stack.openai(0).responses.create(params, keyed(key));
    const ended = await eventually('it completes', async () => {
      const now = await stack.openai(1).responses.retrieve(first.id);
      return now.status === 'completed' && now;
    });
    expect(await stack.openai(1).responses.create(params, keyed(key))).toEqual(ended);
    expect(await modelCalls(marker)).toBe(1);
  });

  test('with another body: 422, which the clients do not send again, and nothing is made', async () => {
    const key = randomUUID();
    const { text } = script('!text 1');
    const first = await stack.openai().responses.create({ model: 'demo', input: text }, keyed(key));
    const other = script('!text 1');
    for (const params of [
      { model: 'demo', input: other.text },
      { model: 'demo', input: text, temperature: 1 },
    ]) {
      const error = await stack
        .openai()
        .responses.create(params, keyed(key))
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(OpenAI.UnprocessableEntityError);
      expect(error).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
    }
    expect(await modelCalls(other.marker)).toBe(0);
    expect((await stack.openai().responses.retrieve(first.id)).output).toEqual(first.output);
  });

  test('is its owner’s alone', async () => {
    const key = randomUUID();
    const params = { model: 'demo', input: script('!text 1').text };
    const mine = await stack.openai().responses.create(params, keyed(key));
    const theirs = await as(KEYS.stranger).responses.create(params, keyed(key));
    expect(theirs.id).not.toBe(mine.id);
    expect(theirs.status).toBe('completed');
  });
});

/** What is removed: on demand, after a while, and at once for those who did not want it kept. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { storedBlobs } from '../harness/blobs.ts';
import { eventually } from '../harness/eventually.ts';
import { follow } from '../harness/follow.ts';
import { logged } from '../harness/logged.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { eventOf } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({ env: { UNSTORED_RETENTION: '2s', RESPONSE_RETENTION: '1h', TIDY_EVERY_MS: '200' } });
});
afterAll(() => stack.stop());

async function rowsOf(id: string): Promise<{ responses: number; steps: number; calls: number }> {
  const { rows } = await stack.database.query<{ responses: string; steps: string; calls: string }>(
    `SELECT (SELECT count(*) FROM responses WHERE id = $1) AS responses,
            (SELECT count(*) FROM response_steps WHERE response_id = $1) AS steps,
            (SELECT count(*) FROM http_analytics WHERE response_id = $1) AS calls`,
    [uuidOf(id)],
  );
  const [row] = rows;
  return { responses: Number(row?.responses), steps: Number(row?.steps), calls: Number(row?.calls) };
}

describe('DELETE /v1/responses/{id}', () => {
  test('takes the rows and the log; what it cost stays', async () => {
    const client = stack.openai();
    const { id } = await client.responses.create({ model: 'demo', input: 'Hello' });
    const answer = await stack.fetch(`/v1/responses/${id}`, { method: 'DELETE' });
    expect(await answer.json()).toEqual({ id, object: 'response', deleted: true });
    await expect(client.responses.retrieve(id)).rejects.toThrow(OpenAI.NotFoundError);
    expect(await rowsOf(id)).toEqual({ responses: 0, steps: 0, calls: 1 });
    expect(await stack.logEnd(id)).toBeUndefined();
    const again = await stack.fetch(`/v1/responses/${id}`, { method: 'DELETE' });
    expect(again.status).toBe(404);
  });

  test('of a live one: whoever follows it sees it end', async () => {
    let deleted: Promise<Response> | undefined;
    const stream = await follow(stack, script('!text 3000 10').text, {
      onFrame: (frames, id) => {
        if (frames.length > 6) deleted ??= stack.fetch(`/v1/responses/${id}`, { method: 'DELETE' });
      },
    });
    expect((await deleted)?.status).toBe(200);
    expect(stream.done).toBe(true);
    expect(eventOf(stream.frames.at(-1) ?? '').type).toBe('response.incomplete');
    expect((await rowsOf(stream.id)).responses).toBe(0);
    await expect(stack.openai().responses.retrieve(stream.id)).rejects.toThrow(OpenAI.NotFoundError);
  });

  test('of a live one: the same request again, by its Idempotency-Key, is answered anew', async () => {
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const body = JSON.stringify({ model: 'demo', background: true, input: script('!text 40 25').text });
    const ask = async () => {
      const answer = await stack.fetch('/v1/responses', { method: 'POST', headers, body });
      return (await answer.json()) as { id: string };
    };
    const { id } = await ask();
    const calls = `SELECT 1 FROM response_steps WHERE response_id = $1 AND state = 'processing'`;
    await eventually('it is under way', async () => (await stack.database.query(calls, [uuidOf(id)])).rowCount === 1);
    expect((await stack.fetch(`/v1/responses/${id}`, { method: 'DELETE' })).status).toBe(200);
    expect((await ask()).id).toBe(id);
    const client = stack.openai();
    await eventually('it is done', async () => (await client.responses.retrieve(id)).status === 'completed', 10_000);
  });

  test('of what another turn goes on from: that turn remains', async () => {
    const client = stack.openai();
    const first = await client.responses.create({ model: 'demo', input: 'Hello' });
    const second = await client.responses.create({ model: 'demo', input: 'Hello', previous_response_id: first.id });
    await client.responses.delete(first.id);
    expect((await client.responses.retrieve(second.id)).previous_response_id).toBe(first.id);
    await expect(
      client.responses.create({ model: 'demo', input: 'Hello', previous_response_id: first.id }),
    ).rejects.toThrow(OpenAI.BadRequestError);
    // What came before it is not all there any more.
    const body = { model: 'demo', input: 'Hello', previous_response_id: second.id };
    const refusal = { status: 400, code: 'previous_response_not_found' };
    await expect(client.responses.create(body)).rejects.toMatchObject(refusal);
    const counted = await stack.fetch('/v1/responses/input_tokens', { method: 'POST', body: JSON.stringify(body) });
    expect(await counted.json()).toMatchObject({ error: { code: 'previous_response_not_found' } });
  });

  test('of what a live turn goes on from: gone for all others, and there until that turn has ended', async () => {
    const client = stack.openai();
    const first = await client.responses.create({ model: 'demo', input: 'Hello' });
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const live = { model: 'demo', input: script('!text 60 20').text, previous_response_id: first.id };
    const ask = async () => {
      const answer = await stack.fetch('/v1/responses', { method: 'POST', headers, body: JSON.stringify(live) });
      return (await answer.json()) as { id: string; status: string };
    };
    const asked = ask();
    await eventually('it runs', async () => {
      const { rowCount } = await stack.database.query(
        'SELECT FROM responses WHERE previous_response_id = $1 AND ended_at IS NULL',
        [uuidOf(first.id)],
      );
      return rowCount === 1;
    });
    await client.responses.delete(first.id);
    await expect(client.responses.retrieve(first.id)).rejects.toThrow(OpenAI.NotFoundError);
    expect((await rowsOf(first.id)).responses).toBe(1);
    const { id, status } = await asked;
    expect(status).toBe('completed');
    expect(await ask()).toMatchObject({ id, status });
    await stack.database.query(`UPDATE responses SET purge_at = now() WHERE id = $1`, [uuidOf(first.id)]);
    await eventually('it is gone', async () => (await rowsOf(first.id)).responses === 0);
  });

  test('takes what was too large for a message along', async () => {
    const client = stack.openai();
    const { id } = await client.responses.create({ model: 'demo', input: `!say ${'x'.repeat(9_000_000)}` });
    expect((await storedBlobs(stack)).length).toBeGreaterThan(0);
    await client.responses.delete(id);
    await eventually('nothing is left beside the streams', async () => (await storedBlobs(stack)).length === 0);
  });
});

describe.concurrent('store: false', () => {
  test('is read while it runs, and not once it has ended; then it is removed', async () => {
    const client = stack.openai();
    let seen: Promise<Response> | undefined;
    const stream = await follow(stack, script('!text 40 10').text, {
      body: { store: false },
      onFrame: (frames, id) => {
        if (frames.length > 6) seen ??= stack.fetch(`/v1/responses/${id}`);
      },
    });
    expect((await seen)?.status).toBe(200);
    const last = eventOf(stream.frames.at(-1) ?? '');
    expect(last).toMatchObject({ type: 'response.completed', response: { store: false, status: 'completed' } });
    await expect(client.responses.retrieve(stream.id)).rejects.toThrow(OpenAI.NotFoundError);
    for (const path of ['?stream=true', '/input_items', '/steps']) {
      expect((await stack.fetch(`/v1/responses/${stream.id}${path}`)).status).toBe(404);
    }
    await expect(client.responses.cancel(stream.id)).rejects.toThrow(OpenAI.NotFoundError);
    const going = client.responses.create({ model: 'demo', input: 'Hi', previous_response_id: stream.id });
    await expect(going).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found' });
    await eventually('it is gone', async () => (await rowsOf(stream.id)).responses === 0);
    expect(await stack.logEnd(stream.id)).toBeUndefined();
    expect((await rowsOf(stream.id)).calls).toBe(1);
  });

  test('blocking: the answer comes whole', async () => {
    const response = await stack.openai().responses.create({ model: 'demo', input: '!say Yes.', store: false });
    expect(response).toMatchObject({ status: 'completed', store: false, output_text: 'Yes.' });
  });

  test('in the background: polled until it is removed', async () => {
    const client = stack.openai();
    const { id } = await client.responses.create({
      model: 'demo',
      input: '!say Yes.',
      store: false,
      background: true,
    });
    const ended = await eventually('it has ended', async () => {
      const now = await client.responses.retrieve(id);
      return now.status === 'completed' ? now : undefined;
    });
    expect(ended.output_text).toBe('Yes.');
    await eventually('it is gone', async () => (await rowsOf(id)).responses === 0);
    await expect(client.responses.retrieve(id)).rejects.toThrow(OpenAI.NotFoundError);
  });

  test('the same request again, by its Idempotency-Key, is answered until then', async () => {
    const ask = () =>
      stack.fetch('/v1/responses', {
        method: 'POST',
        headers: { 'idempotency-key': 'unstored-1' },
        body: JSON.stringify({ model: 'demo', input: '!vary 3', store: false }),
      });
    const first = await (await ask()).json();
    expect(await (await ask()).json()).toEqual(first);
  });

  test('nothing of what was said is logged', async () => {
    const secret = `secret-${crypto.randomUUID()}`;
    await stack.openai().responses.create({ model: 'demo', input: `!say ${secret}`, store: false });
    expect(await logged(stack, secret)).toEqual([]);
  });
});

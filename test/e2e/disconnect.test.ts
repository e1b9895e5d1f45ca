/** Clients that leave before the end: what becomes of their responses. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { WebSocketClient } from './websocket-client.ts';

/** Two gateways with the policy that is the default, then one for each of the others. */
const POLICIES = ['unstored', 'unstored', 'always', 'never'];
const GRACE_MS = 700;
const [UNSTORED, ELSEWHERE, ALWAYS, NEVER] = [0, 1, 2, 3];

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({
    replicas: { gateway: POLICIES.length, toolRunner: 0 },
    envFor: (role, index): Record<string, string> => {
      if (role !== 'gateway') return {};
      return { DISCONNECT_CANCEL: POLICIES[index] ?? '', DISCONNECT_GRACE_MS: String(GRACE_MS) };
    },
  });
});
afterAll(() => stack.stop());

/** What is asked takes longer than anybody here waits, unless it is cancelled: about three seconds. */
const LONG = '!text 60 50';

/** Streams a response until it is under way; `leave` breaks the connection off. */
async function streaming(body: Record<string, unknown>, gateway = UNSTORED) {
  const { text, marker } = script(LONG);
  const controller = new AbortController();
  const answer = await stack.fetch('/v1/responses', {
    method: 'POST',
    gateway,
    signal: controller.signal,
    body: JSON.stringify({ model: 'demo', input: text, stream: true, ...body }),
  });
  const { frames } = await readFrames(answer, (seen) => seen.length === 8);
  return { id: idIn(frames[0]), marker, leave: () => controller.abort() };
}

function idIn(frame: string | undefined): string {
  const event = frame === undefined ? undefined : eventOf(frame);
  if (event?.type !== 'response.created') throw new Error('the first event creates');
  return event.response.id;
}

/** The status in which a response ends. */
function endOf(id: string): Promise<string> {
  return eventually('the response has ended', async () => {
    const { rows } = await stack.database.query<{ status: string }>(
      'SELECT status FROM responses WHERE id = $1 AND ended_at IS NOT NULL',
      [uuidOf(id)],
    );
    return rows[0]?.status;
  });
}

describe.concurrent('a response that is not stored', () => {
  test('is cancelled when the client of its stream has gone', async () => {
    const { id, marker, leave } = await streaming({ store: false });
    leave();
    expect(await endOf(id)).toBe('cancelled');
    const [call] = await eventually('the model is not asked any more', async () => {
      const calls = await callsWith(stack, marker);
      return calls.every((each) => each.ended !== null) && calls;
    });
    expect(call?.ended).toBe('aborted');
  });

  test('is cancelled when the client that waits for it has gone', async () => {
    const { text, marker } = script(LONG);
    const controller = new AbortController();
    const waiting = stack.fetch('/v1/responses', {
      method: 'POST',
      signal: controller.signal,
      body: JSON.stringify({ model: 'demo', input: text, store: false }),
    });
    await eventually('it is under way', async () => (await callsWith(stack, marker)).length === 1);
    controller.abort();
    await expect(waiting).rejects.toThrow();
    const [call] = await eventually('the model is not asked any more', async () => {
      const calls = await callsWith(stack, marker);
      return calls.every((each) => each.ended !== null) && calls;
    });
    expect(call?.ended).toBe('aborted');
  });

  test('is cancelled when its WebSocket has gone', async () => {
    const client = await WebSocketClient.open({
      url: stack.gateways[UNSTORED] ?? '',
      apiKey: stack.apiKey,
      checks: stack.checks,
    });
    client.create({ input: script(LONG).text, store: false });
    const created = await client.message();
    if (created.type !== 'response.created') throw new Error('the first event creates');
    await client.leave();
    expect(await endOf(created.response.id)).toBe('cancelled');
  });

  test.each([
    ['the same gateway', UNSTORED],
    ['another gateway', ELSEWHERE],
  ])('goes on when its client comes back in time, to %s', async (_where, gateway) => {
    const { id, leave } = await streaming({ store: false });
    leave();
    const again = await stack.fetch(`/v1/responses/${id}?stream=true&starting_after=7`, { gateway });
    const { frames, done } = await readFrames(again);
    expect(done).toBe(true);
    expect(eventOf(frames.at(-1) ?? '').type).toBe('response.completed');
    expect(await endOf(id)).toBe('completed');
  });

  test('goes on for another client, which had come to another gateway before', async () => {
    const { id, leave } = await streaming({ store: false });
    const other = await stack.fetch(`/v1/responses/${id}?stream=true`, { gateway: ELSEWHERE });
    leave();
    const { frames } = await readFrames(other);
    expect(eventOf(frames.at(-1) ?? '').type).toBe('response.completed');
  });

  test('goes on in the background', async () => {
    const { id, leave } = await streaming({ store: false, background: true });
    leave();
    expect(await endOf(id)).toBe('completed');
  });

  test('goes on where nothing is ever cancelled', async () => {
    const { id, leave } = await streaming({ store: false }, NEVER);
    leave();
    expect(await endOf(id)).toBe('completed');
  });
});

describe.concurrent('a response that is stored', () => {
  test('goes on: its client may come back whenever it wants', async () => {
    const { id, leave } = await streaming({});
    leave();
    expect(await endOf(id)).toBe('completed');
  });

  test('is cancelled where all are; what had come of it can be read', async () => {
    const { id, leave } = await streaming({}, ALWAYS);
    leave();
    expect(await endOf(id)).toBe('cancelled');
    const response = await (await stack.fetch(`/v1/responses/${id}`)).json();
    expect(response).toMatchObject({ status: 'cancelled', output: [{ type: 'message', status: 'incomplete' }] });
  });
});

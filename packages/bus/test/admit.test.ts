import { NoRespondersError, TimeoutError } from '@nats-io/nats-core';
import { ApiError } from '@tailrace/protocol';
import { expect, test } from 'vitest';
import {
  ADMIT_SUBJECT,
  type AdmitAnswer,
  type Bus,
  encodeMessage,
  LimitReached,
  OrchestratorClient,
  RELEASE_SUBJECT,
} from '../src/index.ts';

const QUESTION = { id: '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b', model: 'small', limits: [], lease: true };
const RATE_LIMIT = { requests: { limit: 2, remaining: 0, resetMs: 60_000 }, tokens: null };

/** A client whose questions are answered like this, and what it has published. */
function clientThat(answer: () => AdmitAnswer) {
  const told: string[] = [];
  const nc = {
    subscribe: () => undefined,
    publish: (subject: string, data: Uint8Array) => told.push(`${subject} ${Buffer.from(data).toString()}`),
    async request(subject: string, _data: Uint8Array, { timeout }: { timeout: number }) {
      expect({ subject, timeout }).toEqual({ subject: ADMIT_SUBJECT, timeout: 250 });
      return { data: encodeMessage(answer()) };
    },
  };
  const client = new OrchestratorClient({ bus: { nc } as unknown as Bus, partitions: 1, timeoutMs: 250 });
  return { client, told };
}

test('what is admitted is told with where its limits stand', async () => {
  const { client, told } = clientThat(() => ({ admitted: true, leased: true, rateLimit: RATE_LIMIT }));
  await expect(client.admit(QUESTION)).resolves.toMatchObject({ leased: true, rateLimit: RATE_LIMIT });
  expect(told).toEqual([]);
});

test('a refusal is thrown as such', async () => {
  const refusal = { rule: 'this key may make 2 requests a minute', waitMs: 29_001, rateLimit: RATE_LIMIT };
  const { client } = clientThat(() => ({ admitted: false, refusal }));
  const error = await client.admit(QUESTION).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LimitReached);
  expect(error).toMatchObject({
    code: 'rate_limit_exceeded',
    status: 429,
    retryAfter: 30,
    refusal,
    message: 'Rate limit reached: this key may make 2 requests a minute. Try again in 30 s.',
  });
});

test('that nobody has a hand for it is told at once, and holds no place', async () => {
  const { client, told } = clientThat(() => ({ admitted: false, error: new ApiError('overloaded').info }));
  await expect(client.admit(QUESTION)).rejects.toMatchObject({ code: 'overloaded', status: 503, retryAfter: 1 });
  expect(told).toEqual([]);
});

test.each([
  ['nobody is there', () => new NoRespondersError(ADMIT_SUBJECT)],
  ['nobody answers', () => new TimeoutError()],
])('%s: the call may not begin, and holds no place', async (_, failure) => {
  const { client, told } = clientThat(() => {
    throw failure();
  });
  await expect(client.admit(QUESTION)).rejects.toMatchObject({ code: 'unavailable', status: 503 });
  expect(told).toEqual([`${RELEASE_SUBJECT} {"id":"${QUESTION.id}"}`]);
  await expect(client.admit({ ...QUESTION, lease: false })).rejects.toMatchObject({ code: 'unavailable' });
  expect(told).toHaveLength(1);
});

test('a failure of another kind is not taken for silence', async () => {
  const { client } = clientThat(() => {
    throw new TypeError('no such thing');
  });
  await expect(client.admit(QUESTION)).rejects.toBeInstanceOf(TypeError);
});

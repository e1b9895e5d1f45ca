import { JetStreamApiError } from '@nats-io/jetstream';
import { NoRespondersError, TimeoutError } from '@nats-io/nats-core';
import { describe, expect, test, vi } from 'vitest';
import { contested } from '../src/index.ts';

const apiError = (code: number, err_code: number) => new JetStreamApiError({ code, err_code, description: '' });

/** Runs a task that fails with these errors, one after another, and then succeeds. */
async function run(...errors: Error[]) {
  const task = vi.fn(async () => {
    const error = errors.shift();
    if (error) throw error;
    return 'done';
  });
  const [outcome] = await Promise.allSettled([contested(task)]);
  return { outcome, tries: task.mock.calls.length };
}

describe('what others are making at the same time', () => {
  test('is looked at again after what passes by itself', async () => {
    const errors = [
      new TimeoutError(),
      new NoRespondersError('$JS.API.INFO'),
      apiError(503, 10_008),
      apiError(400, 10_005),
    ];
    expect(await run(...errors)).toMatchObject({ outcome: { value: 'done' }, tries: 5 });
  });

  test('is looked at again when the server says that it is there, though it was not a moment ago', async () => {
    const errors = [apiError(400, 10_058), apiError(404, 10_059), apiError(400, 10_065)];
    expect(await run(...errors)).toMatchObject({ outcome: { value: 'done' }, tries: 4 });
  });

  test('is given up when it does not pass', async () => {
    const errors = Array.from({ length: 20 }, () => new TimeoutError());
    const { outcome, tries } = await run(...errors);
    expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(TimeoutError) });
    expect(tries).toBe(10);
  });

  test('fails at once for what stays as it is', async () => {
    const wrong = apiError(400, 10_052);
    expect(await run(wrong)).toMatchObject({ outcome: { status: 'rejected', reason: wrong }, tries: 1 });
  });
});

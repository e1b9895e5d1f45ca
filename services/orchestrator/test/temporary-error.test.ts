import { errors } from '@nats-io/nats-core';
import { BlobExpired, PublishUncertain } from '@tailrace/bus';
import { DatabaseUnreachable } from '@tailrace/database';
import { UnsealError } from '@tailrace/registry';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { isLostCause, isTemporary } from '../src/temporary-error.ts';

const database = (code: string) => Object.assign(new pg.DatabaseError('it failed', 9, 'error'), { code });

describe('what passes by itself', () => {
  test.each([
    ['a connection of Postgres', database('08006')],
    ['a transaction that has lost', database('40P01')],
    ['a statement that took too long', database('57014')],
    ['Postgres, which is not there', new DatabaseUnreachable(new Error('gone'))],
    ['NATS, which does not answer', new errors.TimeoutError()],
    ['a publish that nobody has acknowledged', new PublishUncertain('tr.log', 'no answer')],
    ['a wait that was given up', AbortSignal.timeout(0).reason ?? new DOMException('late', 'TimeoutError')],
  ])('%s is tried for ever', (_what, error) => {
    expect(isTemporary(error)).toBe(true);
    expect(isLostCause(error, 1_000)).toBe(false);
  });
});

describe('what does not', () => {
  test.each([
    ['what Postgres cannot take', database('22P05')],
    ['our own mistake', new TypeError('x is not a function')],
    ['what cannot be parsed', new SyntaxError('unexpected end')],
    ['a secret of another key', new UnsealError(new Error('no'))],
    ['a payload that is gone', new BlobExpired('blob')],
  ])('%s is tried three times', (_what, error) => {
    expect([1, 2, 3, 4].map((deliveries) => isLostCause(error, deliveries))).toEqual([false, false, true, true]);
  });

  test.each([
    ['an error that says nothing', new Error('the step is not known')],
    ['what is no error at all', 'no'],
    ['a code of Postgres that nobody has thought of', database('XX000')],
  ])('%s is tried ten times', (_what, error) => {
    expect(isTemporary(error)).toBe(false);
    expect([3, 9, 10, 11].map((deliveries) => isLostCause(error, deliveries))).toEqual([false, false, true, true]);
  });
});

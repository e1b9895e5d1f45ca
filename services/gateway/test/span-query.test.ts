import { ApiError, validate } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { pageToken, placeOf } from '../src/admin-analytics/page-token.ts';
import { readSpan, spanOf, spanQuery } from '../src/admin-analytics/span-query.ts';

const DAY_S = 24 * 60 * 60;
const NOW = Date.UTC(2031, 4, 1, 12);
const LIMITS = { hours: 2 * DAY_S, days: 10 * DAY_S };

const read = (query: Record<string, unknown>, values = 0) => readSpan(validate(spanQuery, query), LIMITS, NOW, values);

describe('a span', () => {
  test('is the last day when nothing is said', () => {
    const { selection, grouping } = read({});
    expect(selection).toEqual({ from: new Date(NOW + 1_000 - DAY_S * 1_000), to: new Date(NOW + 1_000), only: {} });
    expect(grouping).toEqual({ by: [], slice: null, limit: 100, after: null });
  });

  test('has the bounds, the groups and the selection that are asked for', () => {
    const query = {
      start_time: '100',
      end_time: '7300',
      bucket_width: '1h',
      group_by: 'key,model',
      tool: 'look',
      limit: '5',
    };
    expect(read(query)).toEqual({
      selection: { from: new Date(100_000), to: new Date(7_300_000), only: { tool: 'look' } },
      grouping: { by: ['key', 'model'], slice: 'hour', limit: 5, after: null },
    });
    expect(read({ group_by: ['model', 'key', 'model'] }).grouping.by).toEqual(['model', 'key']);
  });

  test.each<[string, Record<string, unknown>]>([
    ['start_time', { start_time: '200', end_time: '200' }],
    ['start_time', { start_time: String(0), end_time: String(10 * DAY_S + 1) }],
    ['start_time', { start_time: String(0), end_time: String(2 * DAY_S + 1), bucket_width: '1h' }],
    ['start_time', { start_time: 'yesterday' }],
    ['end_time', { end_time: '1e300' }],
    ['bucket_width', { bucket_width: '1m' }],
    ['group_by', { group_by: 'key,secret' }],
    ['limit', { limit: '0' }],
    ['limit', { limit: '1001' }],
    ['page', { page: 'what' }],
    ['page', { page: pageToken({ slice: null, values: ['alice'] }) }],
    ['keys', { keys: 'alice' }],
  ])('refuses a wrong %s', (param, query) => {
    const attempt = () => read(query);
    expect(attempt).toThrow(ApiError);
    try {
      attempt();
    } catch (error) {
      expect((error as ApiError).param).toBe(param);
    }
  });

  test('of a line is its slice, as far as it was asked for', () => {
    const span = read({ start_time: '1800', end_time: '9000', bucket_width: '1h' });
    const lines = [0, 3_600, 7_200].map((begin) => spanOf(new Date(begin * 1_000), span));
    expect(lines.map(({ start_time, end_time }) => [start_time, end_time])).toEqual([
      [1_800, 3_600],
      [3_600, 7_200],
      [7_200, 9_000],
    ]);
    expect(spanOf(null, read({ start_time: '1800', end_time: '9000' }))).toEqual({
      start_time: 1_800,
      end_time: 9_000,
    });
  });
});

describe('a page', () => {
  test.each([[{ slice: null, values: [] }], [{ slice: new Date(NOW), values: ['a', null, 'ü/"'] }]])(
    'is found again: %j',
    (place) => {
      expect(placeOf(pageToken(place), place.values.length)).toEqual(place);
      expect(placeOf(pageToken(place), place.values.length + 1)).toBeUndefined();
    },
  );

  test.each([
    '',
    'x',
    'W10',
    Buffer.from('[1e300,[]]').toString('base64url'),
    Buffer.from('[0,[1]]').toString('base64url'),
  ])('is not found by %j', (token) => {
    expect(placeOf(token, 0)).toBeUndefined();
  });

  test('may carry a value more than there are groups', () => {
    const page = pageToken({ slice: null, values: ['model', 'alice'] });
    expect(read({ group_by: 'key', page }, 1).grouping.after?.values).toEqual(['model', 'alice']);
  });
});

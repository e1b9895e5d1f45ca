import { expect, test } from 'vitest';
import { isDoubtfulMember } from '../src/cluster-version.ts';

test.each<[string, string | undefined, boolean]>([
  ['2.9.10', 'c', true],
  ['1.4.0', 'c', true],
  ['2.13.9', 'c', true],
  ['2.14.0', 'c', false],
  ['2.14.5-RC.1', 'c', false],
  ['3.0.0', 'c', false],
  ['2.9.10', undefined, false],
])('%s in cluster %s: %s', (version, cluster, doubtful) => {
  expect(isDoubtfulMember({ version, ...(cluster === undefined ? {} : { cluster }) })).toBe(doubtful);
});

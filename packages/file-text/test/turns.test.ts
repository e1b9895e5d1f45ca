import { expect, test } from 'vitest';
import { Turns } from '../src/turns.ts';

test('so many at once are at work, and the others follow in order', async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const jobs = [0, 1, 2, 3].map((number) => {
    const job = Promise.withResolvers<number>();
    const taken = turns.take(() => {
      begun.push(number);
      return job.promise;
    });
    return { ...job, taken };
  });
  await Promise.resolve();
  expect(begun).toEqual([0, 1]);
  jobs[1]?.reject(new Error('failed'));
  await expect(jobs[1]?.taken).rejects.toThrow('failed');
  expect(begun).toEqual([0, 1, 2]);
  for (const number of [0, 2, 3]) {
    jobs[number]?.resolve(number);
    expect(await jobs[number]?.taken).toBe(number);
  }
  expect(begun).toEqual([0, 1, 2, 3]);
  expect(await turns.take(() => Promise.resolve('free again'))).toBe('free again');
});

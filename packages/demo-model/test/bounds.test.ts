import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { beginningOf, CallLog, keptArguments } from '../src/call-log.ts';
import { keptParameters, offeredNames } from '../src/call-parameters.ts';
import { FaultCounter } from '../src/fault-counter.ts';

test('a fault counter forgets the place that was reached longest ago', () => {
  const faults = new FaultCounter(2);
  expect(faults.reach('a', '0:1', 1)).toBe(true);
  expect(faults.reach('a', '0:1', 1)).toBe(false);
  expect(faults.reach('a', '1:1', 1)).toBe(true);
  expect(faults.reach('a', '0:1', 1)).toBe(false);
  expect(faults.reach('b', '0:1', 1)).toBe(true);
  expect(faults.reach('a', '0:1', 1)).toBe(false);
  expect(faults.reach('a', '1:1', 1)).toBe(true);
});

test('a fault without a number of times always happens', () => {
  const faults = new FaultCounter();
  expect([1, 2, 3].map(() => faults.reach('a', '0:1', null))).toEqual([true, true, true]);
});

test('a call log keeps the last calls, and the beginnings of long texts', async () => {
  const log = new CallLog(2);
  const server = createServer((request, response) => {
    log.begin('tool', request.url ?? '', request.headers, response);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  for (const name of ['a', 'b', 'c']) await (await fetch(`http://127.0.0.1:${port}/${name}`)).text();
  server.closeAllConnections();
  server.close();
  expect(log.list().map((call) => call.name)).toEqual(['/b', '/c']);
  expect(log.stats()).toMatchObject({ tool_calls: 3, ended: { complete: 3 } });
  expect(beginningOf('x'.repeat(10_000))).toHaveLength(4_096);
  expect(keptArguments({ a: 'x'.repeat(10_000) }, JSON.stringify({ a: 'x'.repeat(10_000) }))).toHaveLength(4_096);
});

test('a call keeps a bounded part of a request', () => {
  const fields = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, i]));
  const kept = keptParameters({ messages: [], ...fields, f0: 'x'.repeat(10_000) }) ?? {};
  expect(Object.keys(kept)).toHaveLength(64);
  expect(kept.f0).toHaveLength(4_096);
  expect(offeredNames({ tools: Array.from({ length: 200 }, () => ({ name: 'f' })) })).toHaveLength(128);
  expect([keptParameters([]), offeredNames({}), offeredNames({ tools: [7] })]).toEqual([null, null, ['number']]);
});

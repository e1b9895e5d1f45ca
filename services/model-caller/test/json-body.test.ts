import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { jsonBody } from '../src/json-body.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test.each([
  ['short', { text: 'é "quoted"' }],
  ['one long text', { messages: [{ role: 'user', content: `${'é😀"\\\n'.repeat(40_000)}` }], model: 'm' }],
  ['many short texts', { messages: Array.from({ length: 5_000 }, (_, i) => ({ content: `message ${i} ü` })) }],
])('%s: what is sent is the JSON, as long as it is said to be', async (_, value) => {
  const { length, body } = jsonBody(value);
  const sent = body instanceof Readable ? await buffer(body) : body;
  expect(sent.equals(Buffer.from(JSON.stringify(value)))).toBe(true);
  expect(length).toBe(sent.length);
});

/** A body that has been sent, and what it was made of. */
async function sentBody() {
  const value = { content: 'x'.repeat(1_000_000) };
  const { body } = jsonBody(value);
  if (!(body instanceof Readable)) throw new Error('it is sent in one piece');
  let largest = 0;
  for await (const piece of body) largest = Math.max(largest, (piece as Buffer).length);
  return { body, largest, value: new WeakRef(value) };
}

test('a long body is sent in pieces, and holds nothing once it has been sent', async () => {
  const { body, largest, value } = await sentBody();
  expect(largest).toBeLessThanOrEqual(65_536);
  const isHeld = () => {
    collect();
    return value.deref() !== undefined;
  };
  await expect.poll(isHeld).toBe(false);
  expect(body.readableEnded).toBe(true);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DemoModel, startDemoModel } from '../src/index.ts';

let model: DemoModel;
beforeAll(async () => {
  model = await startDemoModel();
});
afterAll(() => model.close());

interface Embeddings {
  data: { index: number; embedding: number[] | string }[];
  usage: { prompt_tokens: number };
}

async function embed(
  input: unknown,
  rest: Record<string, unknown> = {},
): Promise<{ status: number; body: Embeddings }> {
  const body = JSON.stringify({ model: 'demo', input, ...rest });
  const answer = await fetch(`${model.url}/v1/embeddings`, { method: 'POST', body });
  return { status: answer.status, body: (await answer.json()) as Embeddings };
}

test('the same text has the same vector of length one, and another text another', async () => {
  const { body } = await embed(['a', 'b', 'a']);
  const [a, b, again] = body.data.map(({ embedding }) => embedding as number[]);
  expect(again).toEqual(a);
  expect(b).not.toEqual(a);
  expect(Math.hypot(...(a ?? []))).toBeCloseTo(1, 5);
  expect(body.data.map(({ index }) => index)).toEqual([0, 1, 2]);
  expect(body.usage.prompt_tokens).toBe(3);
});

test('as many numbers as are wanted, in base64 too', async () => {
  const floats = (await embed('text', { dimensions: 5 })).body.data[0]?.embedding;
  const text = (await embed('text', { dimensions: 5, encoding_format: 'base64' })).body.data[0]?.embedding as string;
  const bytes = Buffer.from(text, 'base64');
  expect(bytes).toHaveLength(20);
  expect(Array.from({ length: 5 }, (_, at) => bytes.readFloatLE(at * 4))).toEqual(floats);
});

test('an error as it is asked for, and for what is no input', async () => {
  expect((await embed('one\n!error 503 times=1')).status).toBe(503);
  expect((await embed('one\n!error 503 times=1')).status).toBe(200);
  expect((await embed([])).status).toBe(400);
});

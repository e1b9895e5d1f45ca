/** Two servers of a model, of which one fails in every way that there is: before the first token no client sees it. */
import { type DemoModel, startDemoModel } from '@tailrace/demo-model';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { expectWhole } from '../harness/invariants.ts';
import { logged } from '../harness/logged.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { type FailingUpstreams, startFailingUpstreams, WAYS, type Way } from './failing-upstreams.ts';

const SECRET = 'sk-broken-secret';
const FIRST_TOKEN_MS = 1_000;

let stack: TestStack;
let client: OpenAI;
let good: DemoModel;
let failing: FailingUpstreams;

/** A model for each way and use, so that nobody has learned to leave the broken server alone. */
const modelOf = (way: Way, use: string) => `${use}-${WAYS.indexOf(way)}`;
const USES = ['response', 'stream', 'blocking', 'embedding'];

beforeAll(async () => {
  good = await startDemoModel();
  failing = await startFailingUpstreams();
  const timeouts = { connect_ms: 500, first_token_ms: FIRST_TOKEN_MS, idle_ms: 5_000, total_ms: 20_000 };
  const models = WAYS.flatMap((way) =>
    USES.map((use) => ({
      name: modelOf(way, use),
      failover_statuses: [401, 429, 500],
      upstreams: [
        { base_url: failing.url(way), api_key: SECRET, model: 'broken', priority: 0, timeouts },
        { base_url: `${good.url}/v1`, model: 'good', priority: 1, timeouts, price: { input: 1, output: 2 } },
      ],
    })),
  );
  const tooMany = {
    name: 'none-left',
    upstreams: [{ base_url: failing.url('a 401'), api_key: SECRET, model: 'broken' }],
  };
  stack = await testStack({ config: { models: [...models, tooMany] }, env: { UPSTREAM_BACKOFF_MS: '20' } });
  client = stack.openai();
});
afterAll(async () => {
  await stack.stop();
  await failing.close();
  await good.close();
});

interface Row {
  endpoint: string;
  upstream_model: string;
  error_code: string | null;
  first_token_ms: number | null;
  cost: string | null;
  response_step_id: string | null;
}

/** The calls that were booked for a model: the one that failed, and the one that did not. */
async function bookedCalls(model: string): Promise<Row[]> {
  return eventually(`the calls of ${model} are booked`, async () => {
    const { rows } = await stack.database.query<Row>(
      `SELECT endpoint, upstream_model, error_code, first_token_ms, cost, response_step_id FROM http_analytics
       WHERE model = $1 ORDER BY call`,
      [model],
    );
    return rows.length >= 2 ? rows : undefined;
  });
}

const expected = (endpoint: string) => [
  {
    endpoint,
    upstream_model: 'broken',
    error_code: expect.stringMatching(/^upstream_/),
    first_token_ms: null,
    cost: null,
  },
  { endpoint, upstream_model: 'good', error_code: null, first_token_ms: expect.any(Number), cost: expect.any(String) },
];

describe.concurrent.each(WAYS)('%s', (way) => {
  test('is not seen in the stream of a response', async () => {
    const model = modelOf(way, 'response');
    const body = JSON.stringify({ model, input: script('!text 3').text, stream: true });
    const raw = await readFrames(await stack.fetch('/v1/responses', { method: 'POST', body }));
    const response = await expectWhole(stack, raw);
    expect(response).toMatchObject({ status: 'completed', error: null });
    const events = raw.frames.map(eventOf);
    expect(events.filter(({ type }) => type === 'response.output_item.added')).toHaveLength(1);
    const deltas = events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : []));
    expect(deltas).toEqual(['w1 ', 'w2 ', 'w3 ']);
    expect(failing.asked(way) > 0 || way === 'a refused connection').toBe(true);
    const rows = await bookedCalls(model);
    expect(rows).toMatchObject(expected('responses'));
    expect(rows.every(({ response_step_id: step }) => step !== null)).toBe(true);
  });

  test('is not seen in a streamed chat completion', async () => {
    const model = modelOf(way, 'stream');
    const messages = [{ role: 'user' as const, content: script('!text 3').text }];
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    let text = '';
    for await (const chunk of stream) {
      expect(chunk.choices).toHaveLength(1);
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe('w1 w2 w3 ');
    expect(await bookedCalls(model)).toMatchObject(expected('chat.completions'));
  });

  test('is not seen in a whole chat completion', async () => {
    const model = modelOf(way, 'blocking');
    const messages = [{ role: 'user' as const, content: script('!text 3').text }];
    const completion = await client.chat.completions.create({ model, messages });
    expect(completion.choices[0]).toMatchObject({ message: { content: 'w1 w2 w3 ' }, finish_reason: 'stop' });
    expect(await bookedCalls(model)).toMatchObject(expected('chat.completions'));
  });

  test('is not seen in embeddings', async () => {
    const model = modelOf(way, 'embedding');
    const { data } = await client.embeddings.create({ model, input: ['one', 'two'] });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([8, 8]);
    const rows = await bookedCalls(model);
    expect(rows).toMatchObject(expected('embeddings'));
    expect(rows.every(({ response_step_id: step }) => step === null)).toBe(true);
  });
});

test('where nobody is left the reason is told, and no key with it, nor in any log', async () => {
  const response = await client.responses.create({ model: 'none-left', input: 'hello' });
  expect(response.error?.message).toContain('Incorrect API key provided: ***');
  const messages = [{ role: 'user' as const, content: 'hello' }];
  const refused = await client.chat.completions
    .create({ model: 'none-left', messages })
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({ status: 502, code: 'upstream_error' });
  expect(String(refused)).not.toContain(SECRET);
  expect(await logged(stack, SECRET)).toEqual([]);
});

import { zodTextFormat } from 'openai/helpers/zod';
import { expect } from 'vitest';
import { z } from 'zod';
import { collect, type Scenario } from './scenario.ts';

const Verdict = z.object({ ok: z.boolean(), reasons: z.array(z.string()) });
const VERDICT = { ok: true, reasons: ['because'] };
const SAY_VERDICT = `!say ${JSON.stringify(VERDICT)}`;

/** Texts, streams and structured outputs. */
export function textScenarios(scenario: Scenario): void {
  scenario('plain-text', async ({ client, elsewhere }) => {
    const response = await client.responses.create({ model: 'demo', input: 'what is 12*7' });
    expect(response).toMatchObject({ object: 'response', status: 'completed', model: 'demo', error: null });
    expect(response.output_text).toBe('12*7 = 84.');
    const { usage } = response;
    expect(usage?.input_tokens).toBeGreaterThan(0);
    expect(usage?.output_tokens).toBeGreaterThan(0);
    expect(usage?.total_tokens).toBe((usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0));
    expect(await elsewhere.responses.retrieve(response.id)).toEqual(response);
  });

  scenario('instructions', async ({ client }) => {
    const instructions = 'Answer in one word.';
    const first = await client.responses.create({ model: 'demo', input: '!say Yes.', instructions });
    expect(first.instructions).toBe(instructions);
    const next = { model: 'demo', input: '!say No.', previous_response_id: first.id };
    expect((await client.responses.create(next)).instructions).toBeNull();
  });

  scenario('message-items', async ({ client }) => {
    const response = await client.responses.create({
      model: 'demo',
      input: [
        { role: 'system', content: 'Be kind.' },
        { role: 'developer', content: [{ type: 'input_text', text: 'Be brief.' }] },
        { role: 'user', content: 'Which door?' },
        {
          type: 'message',
          role: 'assistant',
          phase: 'commentary',
          content: 'Let me think.',
        },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: '!say The left one.' }] },
      ],
    });
    expect(response.output_text).toBe('The left one.');
    const { data } = await client.responses.inputItems.list(response.id, { order: 'asc' });
    expect(data).toMatchObject([
      { role: 'system' },
      { role: 'developer' },
      { role: 'user' },
      { role: 'assistant', phase: 'commentary' },
      { role: 'user' },
    ]);
  });

  scenario('streamed-text', async ({ client }) => {
    const events = await collect(await client.responses.create({ model: 'demo', input: '!text 3', stream: true }));
    expect(events.map((event) => event.type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      ...Array.from({ length: 3 }, () => 'response.output_text.delta'),
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    const deltas = events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : []));
    expect(deltas).toEqual(['w1 ', 'w2 ', 'w3 ']);
  });

  scenario('stream-helper', async ({ client }) => {
    const stream = client.responses.stream({ model: 'demo', input: '!text 12' });
    const snapshots: string[] = [];
    stream.on('response.output_text.delta', (event) => snapshots.push(event.snapshot));
    const final = await stream.finalResponse();
    expect(final).toMatchObject({ status: 'completed', output_text: snapshots.at(-1) });
    expect(snapshots).toHaveLength(12);
    expect(final.output_text).toMatch(/^w1 w2 .* w12 $/);
  });

  scenario('stream-helper-reasoning', async ({ client }) => {
    const stream = client.responses.stream({ model: 'demo', input: '!reasoning 3\n!say Done.' });
    const thoughts: string[] = [];
    stream.on('response.reasoning_text.delta', (event) => thoughts.push(event.delta));
    const final = await stream.finalResponse();
    expect(final.output_text).toBe('Done.');
    expect(thoughts).toEqual(['r1 ', 'r2 ', 'r3 ']);
    expect(final.output).toMatchObject([
      { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'r1 r2 r3 ' }] },
      { type: 'message' },
    ]);
  });

  scenario('structured-output', async ({ client }) => {
    const schema = {
      type: 'object',
      properties: { city: { type: 'string' }, degrees: { type: 'integer' } },
      required: ['city', 'degrees'],
      additionalProperties: false,
    };
    const response = await client.responses.create({
      model: 'demo',
      input: 'Invent something.',
      text: { format: { type: 'json_schema', name: 'report', schema, strict: true } },
    });
    expect(JSON.parse(response.output_text)).toEqual({ city: expect.any(String), degrees: expect.any(Number) });
    expect(response.text?.format).toMatchObject({ type: 'json_schema', name: 'report', strict: true });
  });

  scenario('structured-parse', async ({ client }) => {
    const format = zodTextFormat(Verdict, 'verdict');
    const response = await client.responses.parse({ model: 'demo', input: SAY_VERDICT, text: { format } });
    expect(response.output_parsed).toEqual(VERDICT);
    const answered = await client.responses.parse({ model: 'demo', input: 'Is it?', text: { format } });
    expect(Verdict.safeParse(answered.output_parsed).success).toBe(true);
  });

  scenario('structured-stream', async ({ client }) => {
    const format = zodTextFormat(Verdict, 'verdict');
    const stream = client.responses.stream({ model: 'demo', input: SAY_VERDICT, text: { format } });
    expect((await stream.finalResponse()).output_parsed).toEqual(VERDICT);
  });

  scenario('json-object', async ({ client }) => {
    const response = await client.responses.create({
      model: 'demo',
      input: 'Any JSON object.',
      text: { format: { type: 'json_object' } },
    });
    expect(JSON.parse(response.output_text)).toEqual(expect.any(Object));
    expect(response.text?.format).toEqual({ type: 'json_object' });
  });

  scenario('refusal', async ({ client }) => {
    const input = '!refuse I will not.';
    const response = await client.responses.create({ model: 'demo', input });
    const content = [{ type: 'refusal', refusal: 'I will not.' }];
    expect(response).toMatchObject({ status: 'completed', output_text: '', output: [{ type: 'message', content }] });
    const stream = client.responses.stream({ model: 'demo', input });
    const deltas: string[] = [];
    stream.on('response.refusal.delta', (event) => deltas.push(event.delta));
    expect((await stream.finalResponse()).output).toMatchObject([{ content }]);
    expect(deltas.join('')).toBe('I will not.');
  });
}

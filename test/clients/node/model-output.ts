import OpenAI from 'openai';
import { expect } from 'vitest';
import { collect, failureOf, type Scenario } from './scenario.ts';

/** What else a model says, and the parameters that it is asked with. */
export function modelOutputScenarios(scenario: Scenario): void {
  scenario('reasoning-content', async ({ client }) => {
    const params = { model: 'demo', input: '!reasoning 2\n!say Yes.', reasoning: { effort: 'low' } } as const;
    const response = await client.responses.create(params);
    expect(response.reasoning).toMatchObject({ effort: 'low' });
    expect(response.output).toMatchObject([
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'r1 r2 ' }] },
      { type: 'message' },
    ]);
    expect(response.usage?.output_tokens_details.reasoning_tokens).toBeGreaterThan(0);
  });

  scenario('reasoning-summary', async ({ client }) => {
    const params = { model: 'demo', input: '!reasoning 2\n!say Yes.', reasoning: { summary: 'auto' } } as const;
    const events = await collect(await client.responses.create({ ...params, stream: true }));
    const types = events.map((event) => event.type).filter((type) => type.includes('reasoning'));
    expect(types).toEqual([
      'response.reasoning_summary_part.added',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.done',
      'response.reasoning_summary_part.done',
    ]);
    const summary = [{ type: 'summary_text', text: 'r1 r2 ' }];
    const last = events.at(-1);
    expect(last).toMatchObject({ response: { output: [{ type: 'reasoning', summary }, { type: 'message' }] } });
    const final = await client.responses.stream(params).finalResponse();
    expect(final.output[0]).toMatchObject({ type: 'reasoning', summary });
  });

  scenario('reasoning-encrypted', async ({ client }) => {
    const params = { model: 'demo', include: ['reasoning.encrypted_content' as const], store: false };
    const first = await client.responses.create({ ...params, input: '!reasoning 2\n!say One.' });
    const [reasoning] = first.output;
    if (reasoning?.type !== 'reasoning') throw new Error('it begins with reasoning');
    expect(reasoning.encrypted_content).toMatch(/./);
    // The types of output and input differ in what no server sends.
    const said = first.output as OpenAI.Responses.ResponseInput;
    const input = [{ role: 'user' as const, content: 'Hi' }, ...said, { role: 'user' as const, content: '!say Two.' }];
    expect((await client.responses.create({ ...params, input })).output_text).toBe('Two.');
  });

  scenario('annotations', async ({ client }) => {
    const input = '!say As the manual says.\n!cite https://example.com/manual The manual';
    const citation = { type: 'url_citation', url: 'https://example.com/manual', title: 'The manual' };
    const response = await client.responses.create({ model: 'demo', input });
    expect(response.output).toMatchObject([{ content: [{ type: 'output_text', annotations: [citation] }] }]);
    const events = await collect(await client.responses.create({ model: 'demo', input, stream: true }));
    expect(events.filter((event) => event.type === 'response.output_text.annotation.added')).toMatchObject([
      { annotation_index: 0, annotation: citation },
    ]);
  });

  scenario('logprobs', async ({ client }) => {
    const include = ['message.output_text.logprobs' as const];
    const params = { model: 'demo', input: '!text 3', include, top_logprobs: 2 };
    const response = await client.responses.create(params);
    expect(response.top_logprobs).toBe(2);
    const [message] = response.output;
    const part = message?.type === 'message' ? message.content[0] : undefined;
    const logprobs = part?.type === 'output_text' ? (part.logprobs ?? []) : [];
    expect(logprobs.map(({ token }) => token).join('')).toBe('w1 w2 w3 ');
    for (const { logprob, top_logprobs } of logprobs) {
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top_logprobs).toHaveLength(2);
    }
    const plain = await client.responses.create({ model: 'demo', input: '!text 3' });
    expect(plain.output).toMatchObject([{ content: [{ logprobs: [] }] }]);
  });

  scenario('max-output-tokens', async ({ client }) => {
    const params = { model: 'demo', input: '!text 40', max_output_tokens: 16 };
    const response = await client.responses.create(params);
    const details = { incomplete_details: { reason: 'max_output_tokens' } };
    expect(response).toMatchObject({ status: 'incomplete', max_output_tokens: 16, ...details });
    expect(response.output_text).toMatch(/^w1 w2 /);
    const events = await collect(await client.responses.create({ ...params, stream: true }));
    expect(events.at(-1)).toMatchObject({ type: 'response.incomplete', response: details });
  });

  scenario('echo', async ({ client, elsewhere }) => {
    const echoed = {
      temperature: 0.25,
      top_p: 0.5,
      metadata: { order: '17' },
      safety_identifier: 'somebody',
      prompt_cache_key: 'cache-key',
      user: 'u-1',
      truncation: 'auto',
      text: { format: { type: 'text' }, verbosity: 'low' },
    } as const;
    const response = await client.responses.create({ model: 'demo', input: '!text 1', ...echoed });
    expect(response).toMatchObject({ ...echoed, background: false, parallel_tool_calls: true, tool_choice: 'auto' });
    expect(await elsewhere.responses.retrieve(response.id)).toMatchObject(echoed);
  });

  scenario('service-tier', async ({ client }) => {
    const params = { model: 'demo', input: '!tier flex\n!text 1', service_tier: 'flex' } as const;
    expect((await client.responses.create(params)).service_tier).toBe('flex');
    const other = { model: 'demo', input: '!tier default\n!text 1', service_tier: 'priority' } as const;
    expect((await client.responses.create(other)).service_tier).toBe('default');
  });

  scenario('metadata', async ({ client }) => {
    const response = await client.responses.create({ model: 'demo', input: '!text 1', metadata: { a: '1', b: '2' } });
    expect((await client.responses.retrieve(response.id)).metadata).toEqual({ a: '1', b: '2' });
    const metadata = Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v']));
    const error = await failureOf(client.responses.create({ model: 'demo', input: 'Hi', metadata }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ param: 'metadata' });
  });

  scenario('image-input', async ({ client }) => {
    const image_url =
      'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    const response = await client.responses.create({
      model: 'demo',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: '!say A dot.' },
            { type: 'input_image', image_url, detail: 'auto' },
          ],
        },
      ],
    });
    expect(response.output_text).toBe('A dot.');
    const { data } = await client.responses.inputItems.list(response.id);
    expect(data).toMatchObject([{ content: [{ type: 'input_text' }, { type: 'input_image', image_url }] }]);
  });

  scenario('file-input', async ({ client }) => {
    const text = Buffer.from('For your information:\n!say I have read it.\n').toString('base64');
    const response = await client.responses.create({
      model: 'demo',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_file', filename: 'notes.txt', file_data: `data:text/plain;base64,${text}` },
            { type: 'input_text', text: 'What does it say?' },
          ],
        },
      ],
    });
    expect(response.output_text).toBe('I have read it.');
  });
}

import type OpenAI from 'openai';
import { expect } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { collect, type Scenario } from './scenario.ts';

/** Work that goes on without its client. */
export function backgroundScenarios(scenario: Scenario): void {
  scenario('background-poll', async ({ client, elsewhere }) => {
    const begun = await client.responses.create({ model: 'demo', input: '!text 10 40', background: true });
    expect(['queued', 'in_progress']).toContain(begun.status);
    const ended = await eventually('the response completes', async () => {
      const now = await elsewhere.responses.retrieve(begun.id);
      return now.status === 'completed' && now;
    });
    expect(ended).toMatchObject({ background: true, created_at: begun.created_at });
    expect(ended.output_text).toMatch(/^w1 .* w10 $/);
  });

  scenario('background-resume', async ({ client, elsewhere }) => {
    const params = { model: 'demo', input: '!reasoning 2\n!text 40 10', background: true, stream: true } as const;
    const seen: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of await client.responses.create(params)) {
      seen.push(event);
      if (seen.length === 14) break;
    }
    const [created] = seen;
    if (created?.type !== 'response.created') throw new Error('the first event creates');
    const { id } = created.response;
    const rest = await collect(await elsewhere.responses.retrieve(id, { stream: true, starting_after: 13 }));
    expect([...seen, ...rest]).toEqual(await collect(await client.responses.retrieve(id, { stream: true })));
    const final = await elsewhere.responses.stream({ response_id: id, starting_after: 13 }).finalResponse();
    expect(final).toMatchObject({ status: 'completed', output_text: expect.stringMatching(/^w1 .* w40 $/) });
  });

  scenario('retrieve-stream', async ({ client, elsewhere }) => {
    const response = await client.responses.create({ model: 'demo', input: '!text 5' });
    const events = await collect(await elsewhere.responses.retrieve(response.id, { stream: true }));
    const { output_text: _, ...sent } = response;
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: sent });
  });

  scenario('cancel', async ({ client, elsewhere }) => {
    const params = { model: 'demo', input: '!text 3\n!hang 3', background: true, stream: true } as const;
    const stream = await client.responses.create(params);
    const events: OpenAI.Responses.ResponseStreamEvent[] = [];
    let cancelled: OpenAI.Responses.Response | undefined;
    for await (const event of stream) {
      events.push(event);
      const [first] = events;
      if (event.type === 'response.output_text.delta' && event.delta === 'w3 ' && first?.type === 'response.created') {
        cancelled = await elsewhere.responses.cancel(first.response.id);
      }
    }
    if (!cancelled) throw new Error('the third word was to come');
    expect(cancelled).toMatchObject({ status: 'cancelled', output: [{ content: [{ text: 'w1 w2 w3 ' }] }] });
    expect(cancelled.usage?.output_tokens).toBeGreaterThan(0);
    expect(events.at(-1)).toMatchObject({ type: 'response.incomplete', response: { status: 'cancelled' } });
    expect(await client.responses.cancel(cancelled.id)).toEqual(cancelled);
    expect(await client.responses.retrieve(cancelled.id)).toMatchObject({ ...cancelled, output_text: 'w1 w2 w3 ' });
  });
}

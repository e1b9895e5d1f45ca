import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorEnvelope } from '../src/error-envelope.ts';
import type { ResponseEvent } from '../src/response-part.ts';
import { ResponseTranslator } from '../src/response-translator.ts';
import { chooseTurn } from '../src/turn-choice.ts';
import { planTurn } from '../src/turn-plan.ts';
import { question } from './request.ts';

function translator(topLogprobs: number | null = null): ResponseTranslator {
  return new ResponseTranslator({ hex: 'ab', createdAt: 7, body: { model: 'm' }, tier: null, topLogprobs });
}

/** All events of a script's first turn. */
function eventsOf(script: string, topLogprobs: number | null = null): ResponseEvent[] {
  const request = question(script);
  const chosen = chooseTurn(request);
  if (!chosen.ok) throw new Error(chosen.message);
  const translation = translator(topLogprobs);
  const events = translation.begin();
  for (const step of planTurn(chosen.turn, request, { nonce: 'ab', number: 1 })) {
    if (step.kind === 'chunk') events.push(...translation.add(step.delta));
    else if (step.kind === 'finish') events.push(...translation.finish(step.reason, step.usage, 9).events);
  }
  return events;
}

function typesOf(events: ResponseEvent[]): string[] {
  return events.map((event) => event.type.replace(/^response\./, ''));
}

function responseIn(events: ResponseEvent[]): Record<string, unknown> {
  return events.at(-1)?.response as Record<string, unknown>;
}

describe('ResponseTranslator', () => {
  test('a text: one message with one part', () => {
    const events = eventsOf('!text 2');
    const place = { item_id: 'msg_ab0000', output_index: 0, content_index: 0 };
    const part = { type: 'output_text', text: 'w1 w2 ', annotations: [], logprobs: [] };
    const item = { type: 'message', id: 'msg_ab0000', status: 'completed', role: 'assistant', content: [part] };
    expect(events.slice(2, -1)).toEqual([
      {
        type: 'response.output_item.added',
        sequence_number: 2,
        output_index: 0,
        item: { ...item, status: 'in_progress', content: [] },
      },
      { type: 'response.content_part.added', sequence_number: 3, ...place, part: { ...part, text: '' } },
      { type: 'response.output_text.delta', sequence_number: 4, ...place, delta: 'w1 ', logprobs: [] },
      { type: 'response.output_text.delta', sequence_number: 5, ...place, delta: 'w2 ', logprobs: [] },
      { type: 'response.output_text.done', sequence_number: 6, ...place, text: 'w1 w2 ', logprobs: [] },
      { type: 'response.content_part.done', sequence_number: 7, ...place, part },
      { type: 'response.output_item.done', sequence_number: 8, output_index: 0, item },
    ]);
    expect(typesOf(events.slice(0, 2))).toEqual(['created', 'in_progress']);
    expect(events[0]?.response).toMatchObject({ id: 'resp_ab', status: 'in_progress', output: [], usage: null });
    expect(responseIn(events)).toMatchObject({ status: 'completed', created_at: 7, completed_at: 9, output: [item] });
  });

  test('reasoning and its summary are one item, the summary in parts of its own', () => {
    const events = eventsOf('!summary 1\n!reasoning 1\n!summary 1\n!text 1');
    expect(typesOf(events).slice(2, 15)).toEqual([
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'content_part.added',
      'reasoning_text.delta',
      'reasoning_text.done',
      'content_part.done',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
    ]);
    const place = { item_id: 'rs_ab0000', output_index: 0 };
    expect(events[4]).toEqual({
      type: 'response.reasoning_summary_text.delta',
      sequence_number: 4,
      ...place,
      summary_index: 0,
      delta: 's1 ',
    });
    expect(events[8]).toMatchObject({ ...place, content_index: 0, delta: 'r1 ' });
    expect(events[12]).toMatchObject({ ...place, summary_index: 1 });
    const summary = { type: 'summary_text', text: 's1 ' };
    expect(responseIn(events).output).toMatchObject([
      { type: 'reasoning', summary: [summary, summary], content: [{ type: 'reasoning_text', text: 'r1 ' }] },
      { type: 'message', content: [{ text: 'w1 ' }] },
    ]);
  });

  test('a refusal is another part of the message, and citations span the text of theirs', () => {
    const events = eventsOf('!say Hi\n!cite https://x.org/ X\n!refuse No\n!cite https://y.org/ Y');
    const annotation = { type: 'url_citation', start_index: 0, end_index: 2, url: 'https://x.org/', title: 'X' };
    const second = { ...annotation, end_index: 0, url: 'https://y.org/', title: 'Y' };
    const annotations = events.filter((event) => event.type === 'response.output_text.annotation.added');
    expect(annotations).toMatchObject([
      { item_id: 'msg_ab0000', output_index: 0, content_index: 0, annotation_index: 0, annotation },
      { content_index: 2, annotation_index: 0, annotation: second },
    ]);
    const refusals = events.filter((event) => event.type.startsWith('response.refusal.'));
    expect(refusals).toMatchObject([{ content_index: 1, delta: 'No' }, { refusal: 'No' }]);
    expect(responseIn(events).output).toMatchObject([
      {
        content: [
          { type: 'output_text', text: 'Hi', annotations: [annotation] },
          { type: 'refusal', refusal: 'No' },
          { type: 'output_text', text: '', annotations: [second] },
        ],
      },
    ]);
  });

  test.each(['', '\n!whole-calls'])('parallel calls are items of their own%s', (how) => {
    const events = eventsOf(`!text 1\n!call f {"a":1}\n!call g {}${how}`);
    const items = events.filter((event) => event.type === 'response.output_item.done').map((event) => event.item);
    expect(items).toMatchObject([
      { type: 'message' },
      { type: 'function_call', id: 'fc_ab0001', status: 'completed', name: 'f', arguments: '{"a":1}' },
      { type: 'function_call', id: 'fc_ab0002', status: 'completed', name: 'g', arguments: '{}' },
    ]);
    expect(responseIn(events)).toMatchObject({ status: 'completed', output: items });
    const pieces = events.filter((event) => event.type === 'response.function_call_arguments.delta');
    for (const [index, whole] of [
      [1, '{"a":1}'],
      [2, '{}'],
    ] as const) {
      const own = pieces.filter((event) => event.output_index === index && event.item_id === `fc_ab000${index}`);
      expect(own.map((event) => event.delta).join('')).toBe(whole);
    }
    const done = events.filter((event) => event.type === 'response.function_call_arguments.done');
    expect(done).toMatchObject([
      { name: 'f', arguments: '{"a":1}' },
      { name: 'g', arguments: '{}' },
    ]);
  });

  test('log probabilities are in the deltas, the end and the part', () => {
    const events = eventsOf('!text 2', 1);
    const token = (text: string) => ({ token: text, top_logprobs: [{ token: text }] });
    expect(events.filter((event) => event.type === 'response.output_text.delta')).toMatchObject([
      { logprobs: [token('w1 ')] },
      { logprobs: [token('w2 ')] },
    ]);
    expect(events.find((event) => event.type === 'response.output_text.done')).toMatchObject({
      logprobs: [token('w1 '), token('w2 ')],
    });
    expect(responseIn(events).output).toMatchObject([{ content: [{ logprobs: [token('w1 '), token('w2 ')] }] }]);
  });

  test.each([
    ['stop', { status: 'completed', incomplete_details: null, error: null, completed_at: 9 }, 'completed'],
    ['tool_calls', { status: 'completed' }, 'completed'],
    ['length', { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } }, 'incomplete'],
    ['content_filter', { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }, 'incomplete'],
    ['error', { status: 'failed', error: { code: 'server_error' }, completed_at: null }, 'incomplete'],
  ])('ends with %s', (reason, response, itemStatus) => {
    const events = eventsOf(`!text 1\n!finish ${reason}\n!usage 10 5 3 2`);
    expect(events.at(-1)?.type).toBe(`response.${response.status}`);
    expect(responseIn(events)).toMatchObject({
      ...response,
      output: [{ status: itemStatus }],
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 3 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 15,
      },
    });
  });

  test('no usage with !no-usage, and no output where nothing is said', () => {
    expect(responseIn(eventsOf('!text 0\n!no-usage'))).toMatchObject({ status: 'completed', usage: null, output: [] });
  });

  test('an error inside leaves the open item as it is', () => {
    const translation = translator();
    translation.begin();
    translation.add({ content: 'w1 ' });
    expect(translation.fail(errorEnvelope(500, 'broken'))).toMatchObject([
      { type: 'error', sequence_number: 5, error: { type: 'server_error', message: 'broken', param: null } },
      {
        type: 'response.failed',
        sequence_number: 6,
        response: {
          status: 'failed',
          error: { code: 'server_error', message: 'broken' },
          output: [{ status: 'incomplete', content: [{ text: 'w1 ' }] }],
        },
      },
    ]);
  });

  test('the response echoes what was asked for, and says what is usual of the rest', () => {
    const body = {
      model: 'm',
      temperature: 0.3,
      tools: [{ type: 'function', name: 'f' }],
      reasoning: { effort: 'low' },
    };
    const start = { hex: 'ab', createdAt: 7, body, tier: 'flex', topLogprobs: null };
    expect(new ResponseTranslator(start).begin()[0]?.response).toMatchObject({
      model: 'm',
      temperature: 0.3,
      top_p: 1,
      tools: [{ type: 'function', name: 'f', strict: true }],
      tool_choice: 'auto',
      reasoning: { effort: 'low', summary: null },
      text: { format: { type: 'text' } },
      service_tier: 'flex',
    });
  });

  test('of any turn: numbers without a gap, items added and done once and in order, one end', () => {
    const line = fc.constantFrom(
      '!text 2',
      '!reasoning 1',
      '!summary 2',
      '!refuse no way',
      '!cite https://x.org/ X',
      '!json {}',
      '!call f {"a":1}',
      '!whole-calls',
      '!finish length',
    );
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
        const events = eventsOf(lines.join('\n'));
        expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
        let open: unknown = null;
        let opened = 0;
        const done: unknown[] = [];
        for (const event of events) {
          if (event.type === 'response.output_item.added') {
            expect([open, event.output_index]).toEqual([null, opened]);
            open = event.output_index;
            opened += 1;
          } else if (event.type === 'response.output_item.done') {
            expect(event.output_index).toBe(open);
            open = null;
            done.push(event.item);
          } else if ('output_index' in event) {
            expect(event.output_index).toBe(open);
          }
        }
        expect(open).toBeNull();
        expect(responseIn(events).output).toEqual(done);
        expect(typesOf(events).filter((type) => type === 'completed' || type === 'incomplete')).toHaveLength(1);
      }),
      { numRuns: 200 },
    );
  });
});

import { describe, expect, test } from 'vitest';
import { ChatTranslator } from '../src/chat-stream.ts';
import { type ModelOp, usageOp } from './operations.ts';

const translateAll = (chunks: unknown[]): ModelOp[] => {
  const translator = new ChatTranslator();
  return chunks.flatMap((chunk) => translator.translate(chunk));
};
const delta = (fields: object, rest: object = {}) => ({ choices: [{ index: 0, delta: fields, ...rest }] });
const text = (content: string): ModelOp => ({ type: 'text', text: content });

describe('details', () => {
  const logprob = (token: string) => ({ token, logprob: -1, bytes: [...Buffer.from(token)], top_logprobs: [] });
  const told = (fields: object, ...tokens: unknown[]) => delta(fields, { logprobs: { content: tokens } });
  const details = (...reasoning_details: object[]) => ({ reasoning_details });
  type Row = [what: string, chunks: unknown[], ops: ModelOp[]];
  const ROWS: Row[] = [
    [
      'probabilities that leave out what they may',
      [told({ content: 'é' }, { token: 'é', logprob: null, top_logprobs: [{ token: 'e', logprob: -2 }] })],
      [
        {
          type: 'text',
          text: 'é',
          logprobs: [
            {
              token: 'é',
              logprob: -9999,
              bytes: [195, 169],
              top_logprobs: [{ token: 'e', logprob: -2, bytes: [101] }],
            },
          ],
        },
      ],
    ],
    [
      'probabilities of half a character wait for its text',
      [told({ content: '' }, logprob('a')), told({ content: 'ab' }, logprob('b'))],
      [{ type: 'text', text: 'ab', logprobs: [logprob('a'), logprob('b')] }],
    ],
    [
      'probabilities of thoughts and calls are not those of text',
      [
        told({ reasoning: 'r' }, logprob('r')),
        told({ tool_calls: [{ index: 0, function: { name: 'f' } }] }, logprob('f')),
        delta({ content: 'a' }),
      ],
      [{ type: 'reasoning', text: 'r' }, { type: 'call', index: 0, id: null, name: 'f' }, text('a')],
    ],
    [
      'probabilities in a form that nobody knows',
      [delta({ content: 'a' }, { logprobs: { tokens: ['a'], token_logprobs: [-1] } }), told({ content: 'b' }, 5)],
      [text('a'), text('b')],
    ],
    [
      'details of reasoning without the plain text',
      [
        delta(details({ type: 'reasoning.text', text: 'a' }, { type: 'reasoning.text', text: 'b' })),
        delta(details({ type: 'reasoning.summary', summary: 's' }, { type: 'unknown' })),
      ],
      [
        { type: 'reasoning', text: 'ab' },
        { type: 'summary', text: 's' },
      ],
    ],
    [
      'a summary beside thoughts that are not its copy',
      [delta({ reasoning: 'long', ...details({ type: 'reasoning.summary', summary: 'short' }) })],
      [
        { type: 'reasoning', text: 'long' },
        { type: 'summary', text: 'short' },
      ],
    ],
    [
      'encrypted reasoning after the answer has begun',
      [delta({ content: 'a' }), delta(details({ type: 'reasoning.encrypted', data: 'x' }))],
      [text('a')],
    ],
    [
      'content in parts, of which some are refusals',
      [
        delta({
          content: [
            { type: 'text', text: 'a' },
            { type: 'refusal', refusal: 'no' },
            { type: 'thinking', thinking: 't' },
          ],
        }),
      ],
      [{ type: 'reasoning', text: 't' }, text('a'), { type: 'refusal', text: 'no' }],
    ],
    [
      'sources without all of their fields, and what is none',
      [
        delta({
          annotations: [
            { type: 'url_citation', url_citation: { url: 'u', start_index: 1.5 } },
            { type: 'url_citation', url_citation: {} },
            { type: 'file' },
            5,
          ],
        }),
      ],
      [{ type: 'annotation', annotation: { type: 'url_citation', url: 'u', title: '', start_index: 1, end_index: 1 } }],
    ],
    [
      'the class of service',
      [{ service_tier: 'flex', choices: [] }, { service_tier: null }],
      [{ type: 'service_tier', tier: 'flex' }],
    ],
    [
      'usage in the choice (Moonshot), cut to what it may be',
      [{ choices: [{ usage: { prompt_tokens: 1.9, completion_tokens: -1 } }] }],
      [usageOp(1, 0)],
    ],
  ];
  test.each(ROWS)('%s', (_what, chunks, ops) => {
    expect(translateAll(chunks)).toEqual(ops);
  });
});

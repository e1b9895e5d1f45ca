import { prompt } from '@tailrace/chain';
import type { KeptItem } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { requestWith } from '../../../packages/chain/test/chains.ts';
import { type ChatMessage, chatRequest } from '../src/chat-request.ts';

const user = (content: string): KeptItem => ({ type: 'message', role: 'user', content });
const messagesOf = (input: KeptItem[]): ChatMessage[] =>
  chatRequest(prompt(requestWith({ input }), [], null, [], (text) => text)).messages;

describe('the messages of the input', () => {
  const ROWS: [what: string, item: KeptItem[], messages: ChatMessage[]][] = [
    ['a text of the user', [user('hi')], [{ role: 'user', content: 'hi' }]],
    [
      'system and developer are one role',
      [
        { type: 'message', role: 'system', content: 's' },
        { type: 'message', role: 'developer', content: 'd' },
      ],
      [
        { role: 'system', content: 's' },
        { role: 'system', content: 'd' },
      ],
    ],
    [
      'one text part is a plain text',
      [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a' }] }],
      [{ role: 'user', content: 'a' }],
    ],
    [
      'parts with an image',
      [
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'what is this' },
            { type: 'input_image', image_url: 'data:image/png;base64,AA', detail: 'low' },
            { type: 'input_image', image_url: 'https://example.org/i.png' },
          ],
        },
      ],
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'what is this' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AA', detail: 'low' } },
            { type: 'image_url', image_url: { url: 'https://example.org/i.png' } },
          ],
        },
      ],
    ],
    [
      'what the model said before',
      [
        {
          type: 'message',
          role: 'assistant',
          content: [
            { type: 'output_text', text: 'I can' },
            { type: 'refusal', refusal: 'not' },
          ],
        },
      ],
      [{ role: 'assistant', content: 'I cannot' }],
    ],
    [
      'calls side by side, and their outputs',
      [
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
        { type: 'function_call', call_id: 'b', name: 'g', arguments: '{}' },
        { type: 'function_call_output', call_id: 'a', output: '1' },
        { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: '2' }] },
      ],
      [
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } },
            { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'a', content: '1' },
        { role: 'tool', tool_call_id: 'b', content: '2' },
      ],
    ],
    [
      'text after a call joins the call, as nothing may stand between a call and its output',
      [
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
        { type: 'message', role: 'assistant', content: 'wait' },
        { type: 'function_call_output', call_id: 'a', output: '1' },
      ],
      [
        {
          role: 'assistant',
          content: 'wait',
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: '1' },
      ],
    ],
    [
      'nothing stands between calls and their outputs: what did waits',
      [
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
        { type: 'function_call', call_id: 'b', name: 'g', arguments: '{}' },
        user('hurry'),
        { type: 'function_call_output', call_id: 'a', output: '1' },
        { type: 'message', role: 'assistant', content: 'wait' },
        { type: 'function_call_output', call_id: 'b', output: '2' },
        user('well?'),
      ],
      [
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } },
            { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'a', content: '1' },
        { role: 'tool', tool_call_id: 'b', content: '2' },
        { role: 'user', content: 'hurry' },
        { role: 'assistant', content: 'wait' },
        { role: 'user', content: 'well?' },
      ],
    ],
    [
      'a call after the output of another one that is not the last belongs to them',
      [
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
        { type: 'function_call', call_id: 'b', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'a', output: '1' },
        { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'b', output: '2' },
        { type: 'function_call_output', call_id: 'c', output: '3' },
      ],
      [
        {
          role: 'assistant',
          content: null,
          tool_calls: ['a', 'b', 'c'].map((id) => ({
            id,
            type: 'function' as const,
            function: { name: 'f', arguments: '{}' },
          })),
        },
        { role: 'tool', tool_call_id: 'a', content: '1' },
        { role: 'tool', tool_call_id: 'b', content: '2' },
        { role: 'tool', tool_call_id: 'c', content: '3' },
      ],
    ],
    [
      'a file is told as its text',
      [
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'sum it up' },
            { type: 'input_file', filename: 'a.txt', file_data: 'aGk=', text: 'hi' },
          ],
        },
        { type: 'message', role: 'user', content: [{ type: 'input_file', file_data: 'aGk=', text: 'hi' }] },
      ],
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'sum it up' },
            { type: 'text', text: 'File "a.txt":\nhi' },
          ],
        },
        { role: 'user', content: 'File "unnamed":\nhi' },
      ],
    ],
    [
      'an output in parts, with an image of full detail',
      [
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
        {
          type: 'function_call_output',
          call_id: 'a',
          output: [
            { type: 'input_text', text: 'see' },
            { type: 'input_image', image_url: 'https://example.org/i.png', detail: 'original' },
          ],
        },
      ],
      [
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        {
          role: 'tool',
          tool_call_id: 'a',
          content: [
            { type: 'text', text: 'see' },
            { type: 'image_url', image_url: { url: 'https://example.org/i.png', detail: 'high' } },
          ],
        },
      ],
    ],
    ['reasoning is not told', [{ type: 'reasoning', summary: [] }, user('hi')], [{ role: 'user', content: 'hi' }]],
  ];

  test.each(ROWS)('%s', (_what, input, messages) => {
    expect(messagesOf(input)).toEqual(messages);
  });
});

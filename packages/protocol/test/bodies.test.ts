import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import {
  addItemsBody,
  compactBody,
  createConversationBody,
  createResponseBody,
  inputTokensBody,
  updateConversationBody,
  validate,
  webSocketCreateEvent,
} from '../src/index.ts';
import { refusalOf } from './refusal.ts';

const message = { role: 'user', content: 'hi' };
const kept = { type: 'message', ...message };
const twentyOne = Array.from({ length: 21 }, () => message);
const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']));

describe('a body that is accepted', () => {
  type Row = [what: string, schema: z.ZodType, sent: object, taken: object];
  const ROWS: Row[] = [
    ['an empty conversation', createConversationBody, {}, {}],
    [
      'a conversation that begins with items',
      createConversationBody,
      { items: [message], metadata: { a: 'b' } },
      { items: [kept], metadata: { a: 'b' } },
    ],
    [
      'a conversation with nothing said',
      createConversationBody,
      { items: null, metadata: null },
      { items: null, metadata: null },
    ],
    ['other metadata', updateConversationBody, { metadata: pairs(16) }, { metadata: pairs(16) }],
    ['no metadata', updateConversationBody, { metadata: null }, { metadata: null }],
    ['items for a conversation', addItemsBody, { items: [message] }, { items: [kept] }],
    ['what is to be compacted', compactBody, { model: 'm', input: [message] }, { model: 'm', input: [kept] }],
    [
      'what is to be counted',
      inputTokensBody,
      { model: 'm', input: 'hi', tools: [{ type: 'function', name: 'f' }], conversation: 'conv_1' },
      { model: 'm', input: 'hi', tools: [{ type: 'function', name: 'f' }], conversation: 'conv_1' },
    ],
    [
      'a turn on a socket',
      webSocketCreateEvent,
      { type: 'response.create', model: 'm', input: 'hi', store: false, previous_response_id: 'resp_1' },
      { type: 'response.create', model: 'm', input: 'hi', store: false, previous_response_id: 'resp_1' },
    ],
  ];

  test.each(ROWS)('%s', (_what, schema, sent, taken) => {
    expect(validate(schema, sent)).toStrictEqual(taken);
  });
});

describe('a body that is refused names the parameter', () => {
  type Row = [what: string, schema: z.ZodType, sent: unknown, code: string, param: string | null];
  const ROWS: Row[] = [
    ['too many items at once', createConversationBody, { items: twentyOne }, 'invalid_value', 'items'],
    ['an unknown item', createConversationBody, { items: [{ type: 'x' }] }, 'invalid_value', 'items[0].type'],
    ['too much metadata', createConversationBody, { metadata: pairs(17) }, 'invalid_value', 'metadata'],
    [
      'too long a key',
      createConversationBody,
      { metadata: { ['k'.repeat(65)]: '' } },
      'invalid_value',
      `metadata.${'k'.repeat(65)}`,
    ],
    ['something else', createConversationBody, { name: 'x' }, 'unknown_parameter', 'name'],
    ['text', createConversationBody, 'x', 'invalid_value', null],
    ['no metadata to put', updateConversationBody, {}, 'missing_required_parameter', 'metadata'],
    ['items where none belong', updateConversationBody, { metadata: {}, items: [] }, 'unknown_parameter', 'items'],
    ['no items', addItemsBody, {}, 'missing_required_parameter', 'items'],
    ['an empty list', addItemsBody, { items: [] }, 'invalid_value', 'items'],
    ['too many items', addItemsBody, { items: twentyOne }, 'invalid_value', 'items'],
    ['text as an item', addItemsBody, { items: ['hi'] }, 'invalid_value', 'items[0]'],
    ['no model to compact with', compactBody, { input: 'hi' }, 'missing_required_parameter', 'model'],
    ['tools in a compaction', compactBody, { model: 'm', tools: [] }, 'unknown_parameter', 'tools'],
    ['a stream of a count', inputTokensBody, { model: 'm', stream: true }, 'unknown_parameter', 'stream'],
    [
      'a stream on a socket',
      webSocketCreateEvent,
      { type: 'response.create', model: 'm', stream: true },
      'unknown_parameter',
      'stream',
    ],
    [
      'options of a stream on a socket',
      webSocketCreateEvent,
      { type: 'response.create', model: 'm', stream_options: {} },
      'unknown_parameter',
      'stream_options',
    ],
    [
      'background on a socket',
      webSocketCreateEvent,
      { type: 'response.create', model: 'm', background: true },
      'unknown_parameter',
      'background',
    ],
    ['another event', webSocketCreateEvent, { type: 'response.cancel', model: 'm' }, 'invalid_value', 'type'],
    ['an event without its name', webSocketCreateEvent, { model: 'm' }, 'missing_required_parameter', 'type'],
    [
      'the event’s name over HTTP',
      createResponseBody,
      { type: 'response.create', model: 'm' },
      'unknown_parameter',
      'type',
    ],
  ];

  test.each(ROWS)('%s', (_what, schema, sent, code, param) => {
    const refusal = refusalOf(schema, sent);
    expect({ code: refusal.code, param: refusal.param }).toEqual({ code, param });
  });
});

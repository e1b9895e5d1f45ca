import { describe, expect, test } from 'vitest';
import { createResponseBody, validate } from '../src/index.ts';
import { body, item, refusalOf, user } from './refusal.ts';

const output = (...parts: unknown[]) => item({ type: 'function_call_output', call_id: 'c', output: parts });

describe('an item of the input is taken', () => {
  type Row = [what: string, sent: object, kept: object];
  const ROWS: Row[] = [
    [
      'a file, which nobody has read yet',
      { role: 'user', content: [{ type: 'input_file', filename: 'a.txt', file_data: 'AA' }] },
      {
        type: 'message',
        role: 'user',
        content: [{ type: 'input_file', filename: 'a.txt', file_data: 'AA', text: null }],
      },
    ],
    [
      'a file of the output of a call',
      { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_file', file_url: 'https://example.org' }] },
      {
        type: 'function_call_output',
        call_id: 'c',
        output: [{ type: 'input_file', file_url: 'https://example.org', text: null }],
      },
    ],
    [
      'a compaction',
      { type: 'compaction', id: 'cmp_1', encrypted_content: 'e' },
      { type: 'compaction', id: 'cmp_1', encrypted_content: 'e' },
    ],
    ['a reference', { type: 'item_reference', id: 'msg_1' }, { type: 'item_reference', id: 'msg_1' }],
    ['a reference without its type', { id: 'msg_1' }, { type: 'item_reference', id: 'msg_1' }],
    ['a reference whose type is null', { type: null, id: 'msg_1' }, { type: 'item_reference', id: 'msg_1' }],
    [
      'a message with an id and without its type',
      { id: 'msg_1', role: 'user', content: 'hi' },
      { type: 'message', id: 'msg_1', role: 'user', content: 'hi' },
    ],
    [
      'what a server can do, as little as a client may have kept of it',
      { type: 'mcp_list_tools', id: 'mcpl_1', server_label: 's', tools: [{ name: 't', input_schema: {} }] },
      {
        type: 'mcp_list_tools',
        id: 'mcpl_1',
        server_label: 's',
        tools: [{ name: 't', description: null, input_schema: {}, annotations: null }],
        error: null,
      },
    ],
    [
      'a call of a server',
      { type: 'mcp_call', id: 'mcp_1', server_label: 's', name: 't', arguments: '{}', output: 'x' },
      {
        type: 'mcp_call',
        id: 'mcp_1',
        server_label: 's',
        name: 't',
        arguments: '{}',
        output: 'x',
        error: null,
        approval_request_id: null,
      },
    ],
    [
      'a call that waits for approval',
      { type: 'mcp_approval_request', id: 'mcpr_1', server_label: 's', name: 't', arguments: '{}' },
      { type: 'mcp_approval_request', id: 'mcpr_1', server_label: 's', name: 't', arguments: '{}' },
    ],
    [
      'an approval',
      { type: 'mcp_approval_response', approval_request_id: 'mcpr_1', approve: true },
      { type: 'mcp_approval_response', approval_request_id: 'mcpr_1', approve: true, reason: null },
    ],
    ['reasoning without a summary', { type: 'reasoning' }, { type: 'reasoning', summary: [] }],
    [
      'reasoning that only we can read',
      { type: 'reasoning', summary: [], content: null, encrypted_content: 'e' },
      { type: 'reasoning', summary: [], content: null, encrypted_content: 'e' },
    ],
    [
      'a message of each role, with a phase',
      { role: 'developer', content: 'd', phase: 'final_answer' },
      { type: 'message', role: 'developer', content: 'd', phase: 'final_answer' },
    ],
  ];

  test.each(ROWS)('%s', (_what, sent, kept) => {
    expect(validate(createResponseBody, item(sent)).input).toStrictEqual([kept]);
  });

  test('annotations that only others make are kept as they are', () => {
    const annotations = [
      { type: 'url_citation', url: 'u', title: 't', start_index: 0, end_index: 1 },
      { type: 'file_citation', file_id: 'f', index: 3 },
    ];
    const content = [{ type: 'output_text', text: 'a', annotations }];
    expect(validate(createResponseBody, item({ role: 'assistant', content })).input).toEqual([
      { type: 'message', role: 'assistant', content },
    ]);
  });
});

describe('an item of the input is refused, and its parameter is named', () => {
  type Row = [what: string, value: unknown, param: string];
  const ROWS: Record<string, Row[]> = {
    missing_required_parameter: [
      ['the content of a compaction', item({ type: 'compaction' }), 'input[0].encrypted_content'],
      [
        'the word of an approval',
        item({ type: 'mcp_approval_response', approval_request_id: 'm' }),
        'input[0].approve',
      ],
      [
        'the id of an approval request',
        item({ type: 'mcp_approval_request', server_label: 's', name: 't', arguments: '' }),
        'input[0].id',
      ],
      ['what a reference names', item({ type: 'item_reference' }), 'input[0].id'],
      ['the name of a call', item({ type: 'function_call', call_id: 'c', arguments: '' }), 'input[0].name'],
      [
        'the text of a summary',
        item({ type: 'reasoning', summary: [{ type: 'summary_text' }] }),
        'input[0].summary[0].text',
      ],
      ['the text of a part of an output', output({ type: 'input_text' }), 'input[0].output[0].text'],
      ['the type of a part of an output', output({ text: 'x' }), 'input[0].output[0].type'],
      [
        'the refusal of a part',
        item({ role: 'assistant', content: [{ type: 'refusal' }] }),
        'input[0].content[0].refusal',
      ],
      ['the id of a conversation', body({ conversation: {} }), 'conversation.id'],
    ],
    unknown_parameter: [
      ['in a file', user([{ type: 'input_file', file_data: 'AA', mime: 'x' }]), 'input[0].content[0].mime'],
      ['what only the server says of a file', user([{ type: 'input_file', text: 'x' }]), 'input[0].content[0].text'],
      [
        'in a file of an output',
        output({ type: 'input_text', text: '' }, { type: 'input_file', x: 1 }),
        'input[0].output[1].x',
      ],
      ['in a compaction', item({ type: 'compaction', encrypted_content: 'e', summary: 's' }), 'input[0].summary'],
      ['in a reference', item({ type: 'item_reference', id: 'i', role: 'user' }), 'input[0].role'],
      ['in a reference without its type', item({ id: 'i', content: 'hi' }), 'input[0].content'],
      ['in reasoning', item({ type: 'reasoning', text: 'r' }), 'input[0].text'],
      [
        'in a part of a summary',
        item({ type: 'reasoning', summary: [{ type: 'summary_text', text: '', x: 1 }] }),
        'input[0].summary[0].x',
      ],
      [
        'in a call',
        item({ type: 'function_call', call_id: 'c', name: 'f', arguments: '', namespace: 'n' }),
        'input[0].namespace',
      ],
      [
        'in a part of the model',
        item({ role: 'assistant', content: [{ type: 'output_text', text: '', x: 1 }] }),
        'input[0].content[0].x',
      ],
      ['in a conversation', body({ conversation: { id: 'conv_1', metadata: {} } }), 'conversation.metadata'],
    ],
    invalid_value: [
      ['an unknown item', item({ type: 'web_search_call', id: 'ws_1' }), 'input[0].type'],
      [
        'an unknown item after others',
        item({ role: 'user', content: 'a' }, { type: 'computer_call' }),
        'input[1].type',
      ],
      ['an item whose type is no text', item({ type: 5 }), 'input[0].type'],
      ['an item that is a list', item([]), 'input[0]'],
      [
        'an unknown tool',
        body({ tools: [{ type: 'function', name: 'f' }, { type: 'code_interpreter' }] }),
        'tools[1].type',
      ],
      [
        'an unknown part',
        user([
          { type: 'input_text', text: '' },
          { type: 'input_video', video_url: 'u' },
        ]),
        'input[0].content[1].type',
      ],
      ['an empty file', user([{ type: 'input_file', file_data: '' }]), 'input[0].content[0].file_data'],
      ['an empty reference', item({ type: 'item_reference', id: '' }), 'input[0].id'],
      ['a reference that is too long', item({ type: 'item_reference', id: 'i'.repeat(129) }), 'input[0].id'],
      ['an empty compaction', item({ type: 'compaction', encrypted_content: '' }), 'input[0].encrypted_content'],
      ['null for a summary', item({ type: 'reasoning', summary: null }), 'input[0].summary'],
      [
        'an unknown part of reasoning',
        item({ type: 'reasoning', content: [{ type: 'text', text: 'r' }] }),
        'input[0].content[0].type',
      ],
      [
        'a name that no function has',
        item({ type: 'function_call', call_id: 'c', name: 'a.b', arguments: '' }),
        'input[0].name',
      ],
      ['an empty call id', item({ type: 'function_call', call_id: '', name: 'f', arguments: '' }), 'input[0].call_id'],
      ['an unknown status', item({ role: 'user', content: 'a', status: 'failed' }), 'input[0].status'],
      ['an unknown phase', item({ role: 'user', content: 'a', phase: 'thinking' }), 'input[0].phase'],
      ['too many items', item(...Array.from({ length: 10_001 }, () => ({ role: 'user', content: '' }))), 'input'],
      ['too long a text', user([{ type: 'input_text', text: 'x'.repeat(10_485_761) }]), 'input[0].content[0].text'],
      ['a conversation of a wrong type', body({ conversation: 5 }), 'conversation'],
      ['a conversation whose id is no text', body({ conversation: { id: 5 } }), 'conversation.id'],
    ],
  };

  describe.each(Object.entries(ROWS))('%s', (code, rows) => {
    test.each(rows)('%s', (_what, value, param) => {
      const refusal = refusalOf(createResponseBody, value);
      expect({ code: refusal.code, param: refusal.param }).toEqual({ code, param });
    });
  });
});

test('what excludes each other is not the schema’s to tell', () => {
  const both = body({ conversation: 'conv_1', previous_response_id: 'resp_1' });
  expect(validate(createResponseBody, both)).toEqual(both);
  const named = body({ conversation: { id: 'conv_1' } });
  expect(validate(createResponseBody, named)).toEqual(named);
});

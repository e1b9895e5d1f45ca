import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ApiError, createResponseBody, type OutputItem, validate } from '../src/index.ts';
import { body, item, refusalOf, user } from './refusal.ts';

describe('a request that is refused names the first parameter that is wrong', () => {
  type Row = [what: string, value: unknown, param: string | null];
  const ROWS: Record<string, Row[]> = {
    missing_required_parameter: [
      ['the model', { input: 'hi' }, 'model'],
      ['the role of an item without a type', item({ content: 'hi' }), 'input[0].type'],
      ['the role of a message', item({ type: 'message', content: 'hi' }), 'input[0].role'],
      ['the content of a message', item({ role: 'user' }), 'input[0].content'],
      ['the text of a part', user([{ type: 'input_text' }]), 'input[0].content[0].text'],
      ['the type of a part', user([{ text: 'hi' }]), 'input[0].content[0].type'],
      ['the image of a part', user([{ type: 'input_image' }]), 'input[0].content[0].image_url'],
      ['the output of a call', item({ type: 'function_call_output', call_id: 'c' }), 'input[0].output'],
      ['the id of a call', item({ type: 'function_call_output', output: 'x' }), 'input[0].call_id'],
      ['the arguments of a call', item({ type: 'function_call', call_id: 'c', name: 'f' }), 'input[0].arguments'],
      ['the name of a tool', body({ tools: [{ type: 'function' }] }), 'tools[0].name'],
      ['the type of a tool', body({ tools: [{ name: 'f' }] }), 'tools[0].type'],
      ['the label of a server', body({ tools: [{ type: 'mcp', server_url: 'https://a.b' }] }), 'tools[0].server_label'],
      ['the server of a choice', body({ tool_choice: { type: 'mcp' } }), 'tool_choice.server_label'],
      ['the function of a choice', body({ tool_choice: { type: 'function' } }), 'tool_choice.name'],
      ['the type of a choice', body({ tool_choice: { name: 'f' } }), 'tool_choice.type'],
      ['the schema of a format', body({ text: { format: { type: 'json_schema', name: 'n' } } }), 'text.format.schema'],
      ['the type of a format', body({ text: { format: {} } }), 'text.format.type'],
    ],
    unknown_parameter: [
      ['at the top', body({ modle: 'm' }), 'modle'],
      ['in an item', item({ role: 'user', content: 'hi', name: 'x' }), 'input[0].name'],
      ['in a part', user([{ type: 'input_text', text: 'hi', cache: 1 }]), 'input[0].content[0].cache'],
      [
        'in a part of the second item',
        item({ role: 'user', content: 'hi' }, { role: 'user', content: [{ type: 'input_text', text: 'a', x: 1 }] }),
        'input[1].content[0].x',
      ],
      ['in a tool', body({ tools: [{ type: 'function', name: 'f', function: {} }] }), 'tools[0].function'],
      [
        'in a server',
        body({ tools: [{ type: 'mcp', server_label: 's', connector_id: 'c' }] }),
        'tools[0].connector_id',
      ],
      ['in a choice', body({ tool_choice: { type: 'function', name: 'f', mode: 'auto' } }), 'tool_choice.mode'],
      ['in text', body({ text: { style: 'x' } }), 'text.style'],
      ['in a format', body({ text: { format: { type: 'text', name: 'n' } } }), 'text.format.name'],
      ['in reasoning', body({ reasoning: { budget: 1 } }), 'reasoning.budget'],
      ['in stream_options', body({ stream_options: { include_usage: true } }), 'stream_options.include_usage'],
    ],
    invalid_value: [
      ['a body that is a list', [], null],
      ['a body that is text', 'hi', null],
      ['a body that is null', null, null],
      ['a body that is not there', undefined, null],
      ['null for what must be there', { model: null, input: 'hi' }, 'model'],
      ['an empty model', body({ model: '' }), 'model'],
      ['a number for the input', body({ input: 5 }), 'input'],
      ['text for an item', item('hi'), 'input[0]'],
      ['an item of an unknown type', item({ type: 'file_search_call' }), 'input[0].type'],
      ['an unknown role', item({ role: 'robot', content: 'hi' }), 'input[0].role'],
      ['content of a wrong type', user(5), 'input[0].content'],
      ['a part of an unknown type', user([{ type: 'input_audio' }]), 'input[0].content[0].type'],
      [
        'text that is none',
        item({ role: 'user', content: 'hi' }, { role: 'user', content: [{ type: 'input_text', text: 5 }] }),
        'input[1].content[0].text',
      ],
      ['an unknown detail', user([{ type: 'input_image', image_url: 'u', detail: 'x' }]), 'input[0].content[0].detail'],
      ['an output of a wrong type', item({ type: 'function_call_output', call_id: 'c', output: 5 }), 'input[0].output'],
      [
        'a part of an output',
        item({ type: 'function_call_output', call_id: 'c', output: [{ type: 'output_text', text: 'x' }] }),
        'input[0].output[0].type',
      ],
      [
        'a call id that is too long',
        item({ type: 'function_call_output', call_id: 'c'.repeat(65), output: '' }),
        'input[0].call_id',
      ],
      ['a tool of an unknown type', body({ tools: [{ type: 'web_search', name: 'w' }] }), 'tools[0].type'],
      [
        'an address that is none of HTTP',
        body({ tools: [{ type: 'mcp', server_label: 's', server_url: 'file:///etc/passwd' }] }),
        'tools[0].server_url',
      ],
      ['a label with a space', body({ tools: [{ type: 'mcp', server_label: 'a b' }] }), 'tools[0].server_label'],
      [
        'a policy that there is not',
        body({ tools: [{ type: 'mcp', server_label: 's', require_approval: 'sometimes' }] }),
        'tools[0].require_approval',
      ],
      [
        'a header with a line after it',
        body({ tools: [{ type: 'mcp', server_label: 's', headers: { 'x-a': 'b\nc: d' } }] }),
        'tools[0].headers.x-a',
      ],
      [
        'an authorization with a line after it',
        body({ tools: [{ type: 'mcp', server_label: 's', authorization: 'b\r\nc: d' }] }),
        'tools[0].authorization',
      ],
      ['a name with a space', body({ tools: [{ type: 'function', name: 'a b' }] }), 'tools[0].name'],
      ['a name that is too long', body({ tools: [{ type: 'function', name: 'a'.repeat(65) }] }), 'tools[0].name'],
      [
        'parameters that are no object',
        body({ tools: [{ type: 'function', name: 'f', parameters: [] }] }),
        'tools[0].parameters',
      ],
      [
        'too many tools',
        body({ tools: Array.from({ length: 129 }, (_, i) => ({ type: 'function', name: `f${i}` })) }),
        'tools',
      ],
      ['an unknown choice', body({ tool_choice: 'sometimes' }), 'tool_choice'],
      ['a choice of an unknown type', body({ tool_choice: { type: 'file_search' } }), 'tool_choice.type'],
      ['a choice of a wrong type', body({ tool_choice: 5 }), 'tool_choice'],
      ['no allowed tools', body({ tool_choice: { type: 'allowed_tools', tools: [] } }), 'tool_choice.tools'],
      [
        'an allowed tool',
        body({ tool_choice: { type: 'allowed_tools', tools: [{ type: 'web_search', name: 'f' }] } }),
        'tool_choice.tools[0].type',
      ],
      ['a temperature that is too high', body({ temperature: 2.1 }), 'temperature'],
      ['a temperature as text', body({ temperature: '1' }), 'temperature'],
      ['a negative top_p', body({ top_p: -0.1 }), 'top_p'],
      ['too few tokens', body({ max_output_tokens: 15 }), 'max_output_tokens'],
      ['half a token', body({ max_output_tokens: 16.5 }), 'max_output_tokens'],
      ['no tool calls', body({ max_tool_calls: 0 }), 'max_tool_calls'],
      ['metadata that is no text', body({ metadata: { a: 1 } }), 'metadata.a'],
      ['a value of metadata that is too long', body({ metadata: { a: 'x'.repeat(513) } }), 'metadata.a'],
      [
        'too much metadata',
        body({ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, ''])) }),
        'metadata',
      ],
      ['an unknown format', body({ text: { format: { type: 'xml' } } }), 'text.format.type'],
      ['an unknown effort', body({ reasoning: { effort: 'all' } }), 'reasoning.effort'],
      ['an unknown include', body({ include: ['everything'] }), 'include[0]'],
      ['background as text', body({ background: 'yes' }), 'background'],
      ['an unknown tier', body({ service_tier: 'gold' }), 'service_tier'],
    ],
  };

  describe.each(Object.entries(ROWS))('%s', (code, rows) => {
    test.each(rows)('%s', (_what, value, param) => {
      const refusal = refusalOf(createResponseBody, value);
      expect({ code: refusal.code, param: refusal.param }).toEqual({ code, param });
      expect(refusal.message).toContain(`'${param ?? 'body'}'`);
    });
  });

  test('the reason is that of the branch which got furthest', () => {
    expect(refusalOf(createResponseBody, body({ tool_choice: 'sometimes' })).message).toContain(
      '"none"|"auto"|"required"',
    );
    expect(refusalOf(createResponseBody, body({ tools: [{ type: 'function', name: 'a b' }] })).message).toBe(
      "Invalid value for 'tools[0].name': only letters, digits, _ and - are allowed.",
    );
  });

  test('any JSON is accepted or refused with one of the three errors', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, input) => {
        for (const each of [value, body({ input }), user(value), body({ tools: value, tool_choice: input })]) {
          try {
            validate(createResponseBody, each);
          } catch (error) {
            expect(error).toBeInstanceOf(ApiError);
            expect(Object.keys(ROWS)).toContain((error as ApiError).code);
          }
        }
      }),
    );
  });
});

describe('a request that is accepted', () => {
  test('may be next to nothing', () => {
    expect(validate(createResponseBody, { model: 'm' })).toEqual({ model: 'm' });
  });

  test('may leave out the type of a message', () => {
    expect(validate(createResponseBody, item({ role: 'user', content: 'hi' })).input).toEqual([
      { type: 'message', role: 'user', content: 'hi' },
    ]);
  });

  test('may say null for whatever it may leave out', () => {
    const optional = Object.keys(createResponseBody.shape).filter((name) => name !== 'model');
    const nulls = Object.fromEntries(optional.map((name) => [name, null]));
    expect(validate(createResponseBody, body(nulls))).toEqual(body(nulls));
  });

  test('may send back every item that a response has', () => {
    const output: OutputItem[] = [
      {
        type: 'reasoning',
        id: 'rs_1',
        status: 'completed',
        summary: [{ type: 'summary_text', text: 's' }],
        content: [{ type: 'reasoning_text', text: 'r' }],
      },
      {
        type: 'message',
        id: 'msg_1',
        status: 'incomplete',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'a', annotations: [], logprobs: [] },
          { type: 'refusal', refusal: 'no' },
        ],
      },
      { type: 'function_call', id: 'fc_1', status: 'completed', call_id: 'call_1', name: 'f', arguments: '{}' },
      { type: 'function_call_output', id: 'fco_1', status: 'completed', call_id: 'call_1', output: '1' },
    ];
    expect(validate(createResponseBody, body({ input: output })).input).toEqual(output);
  });

  test('does not share anything with what was sent', () => {
    const sent = item({ role: 'user', content: 'hi' });
    const before = structuredClone(sent);
    validate(createResponseBody, sent);
    expect(sent).toEqual(before);
  });
});

test('validate serves any schema', () => {
  const schema = z.strictObject({ a: z.strictObject({ b: z.array(z.number()) }) });
  expect(validate(schema, { a: { b: [1] } })).toEqual({ a: { b: [1] } });
  expect(() => validate(schema, { a: { b: [1, 'x'] } })).toThrow("Invalid value for 'a.b[1]'");
});

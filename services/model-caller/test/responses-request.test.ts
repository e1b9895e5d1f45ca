import { type AcceptedRequest, type Prompt, prompt } from '@tailrace/chain';
import type { KeptItem } from '@tailrace/protocol';
import { Sealer } from '@tailrace/registry';
import { describe, expect, test } from 'vitest';
import {
  call,
  callId,
  chainOf,
  model,
  reasoning,
  requestWith,
  text,
  tool,
} from '../../../packages/chain/test/chains.ts';
import { responsesRequest } from '../src/responses-request.ts';
import { sealReasoning } from '../src/sealed-reasoning.ts';

const ask = (request: AcceptedRequest, steps: Parameters<typeof chainOf>[0] = []) =>
  responsesRequest(prompt(request, chainOf(steps), null, [], (each) => each));
const bare = { input: [], store: false };

describe('the parameters', () => {
  test('say nothing that the client has not said', () => {
    expect(ask(requestWith())).toEqual(bare);
    expect(ask(requestWith({ text: { format: null }, reasoning: { effort: null }, include: [], tools: [] }))).toEqual(
      bare,
    );
  });

  test('are passed on, zeros too', () => {
    const same = {
      instructions: 'be short',
      temperature: 0,
      top_p: 0.5,
      presence_penalty: 0,
      frequency_penalty: -1,
      max_output_tokens: 99,
      user: 'u',
      prompt_cache_key: 'k',
      safety_identifier: 's',
      service_tier: 'flex',
      reasoning: { effort: 'low', summary: 'auto' },
      text: { format: { type: 'json_object' }, verbosity: 'high' },
    } as const;
    expect(ask(requestWith(same))).toEqual({ ...bare, ...same });
    expect(ask(requestWith({ service_tier: 'auto' }))).toEqual(bare);
  });

  test('ask for what the client wants to have included', () => {
    const logprobs = 'message.output_text.logprobs' as const;
    expect(ask(requestWith({ top_logprobs: 2 }))).toEqual({ ...bare, top_logprobs: 2, include: [logprobs] });
    expect(ask(requestWith({ include: ['reasoning.encrypted_content', logprobs] }))).toEqual({
      ...bare,
      include: [logprobs, 'reasoning.encrypted_content'],
    });
  });

  test('keep a schema as it is, even an empty one', () => {
    const format = { type: 'json_schema', name: 'n', schema: {}, description: null, strict: true } as const;
    expect(ask(requestWith({ text: { format } })).text).toEqual({
      format: { type: 'json_schema', name: 'n', schema: {}, strict: true },
    });
  });

  test('offer flat tools, and a choice among them', () => {
    const request: AcceptedRequest = {
      ...requestWith({
        tools: [{ type: 'function', name: 'mine', parameters: { type: 'object' }, strict: true }],
        tool_choice: { type: 'function', name: 'mine' },
        parallel_tool_calls: false,
      }),
      server_tools: [{ name: 'search', description: 'Finds', parameters: null }],
    };
    expect(ask(request)).toEqual({
      ...bare,
      tools: [
        { type: 'function', name: 'mine', parameters: { type: 'object' }, strict: true },
        { type: 'function', name: 'search', description: 'Finds', parameters: null, strict: false },
      ],
      tool_choice: { type: 'function', name: 'mine' },
      parallel_tool_calls: false,
    });
    expect(ask({ ...request, body: { ...request.body, tool_choice: 'required' } }).tool_choice).toBe('required');
  });
});

describe('the input', () => {
  const image = 'https://example.org/i.png';
  const own = sealReasoning(new Sealer('secret'), 'hm');
  const ROWS: [what: string, item: KeptItem, input: object[]][] = [
    [
      'roles stay as they are',
      { type: 'message', role: 'developer', content: 'd' },
      [{ type: 'message', role: 'developer', content: 'd' }],
    ],
    [
      'parts of a user',
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'a' },
          { type: 'input_image', image_url: image, detail: null },
          { type: 'input_file', filename: 'a.txt', file_data: 'aGk=', text: 'hi' },
        ],
      },
      [
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'a' },
            { type: 'input_image', image_url: image },
            { type: 'input_text', text: 'File "a.txt":\nhi' },
          ],
        },
      ],
    ],
    [
      'parts of the model, and what its message was for',
      {
        type: 'message',
        role: 'assistant',
        phase: 'commentary',
        content: [
          { type: 'output_text', text: 'a' },
          { type: 'input_image', image_url: image },
          { type: 'refusal', refusal: 'no' },
        ],
      },
      [
        {
          type: 'message',
          role: 'assistant',
          phase: 'commentary',
          content: [
            { type: 'output_text', text: 'a', annotations: [] },
            { type: 'refusal', refusal: 'no' },
          ],
        },
      ],
    ],
    [
      'an output in parts',
      {
        type: 'function_call_output',
        call_id: 'c',
        output: [
          { type: 'input_text', text: 'a' },
          { type: 'input_image', image_url: image, detail: 'low' },
        ],
      },
      [
        {
          type: 'function_call_output',
          call_id: 'c',
          output: [
            { type: 'input_text', text: 'a' },
            { type: 'input_image', image_url: image, detail: 'low' },
          ],
        },
      ],
    ],
    [
      'reasoning that the upstream has encrypted',
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 's' }], encrypted_content: 'gAAAA' },
      [{ type: 'reasoning', summary: [{ type: 'summary_text', text: 's' }], encrypted_content: 'gAAAA' }],
    ],
    [
      'reasoning in the open',
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'r' }] },
      [{ type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'r' }] }],
    ],
    ['reasoning that this server has sealed', { type: 'reasoning', summary: [], encrypted_content: own }, []],
    ['a summary alone', { type: 'reasoning', summary: [{ type: 'summary_text', text: 's' }] }, []],
  ];
  test.each(ROWS)('%s', (_what, item, input) => {
    expect(ask(requestWith({ input: [item] })).input).toEqual(input);
  });

  test('a chain goes on with its reasoning, its calls and their outputs, under the upstream’s own ids', () => {
    const chain = [
      model([reasoning('hm'), text('I look.'), call('search', 'up_1')]),
      tool('search', callId(1, 2), { output: 'x' }),
    ];
    expect(ask(requestWith({}, { server: ['search'] }), chain).input).toEqual([
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
      { type: 'message', role: 'assistant', content: 'I look.' },
      { type: 'function_call', call_id: 'up_1', name: 'search', arguments: '{"q":1}' },
      { type: 'function_call_output', call_id: 'up_1', output: 'x' },
    ]);
  });

  test('is pure: the same prompt is told the same way again', () => {
    const asked: Prompt = prompt(requestWith({ input: ROWS.map(([, item]) => item) }), [], null, [], (each) => each);
    const before = structuredClone(asked);
    expect(responsesRequest(asked)).toEqual(responsesRequest(asked));
    expect(asked).toEqual(before);
  });
});

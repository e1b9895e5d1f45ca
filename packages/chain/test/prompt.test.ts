import type { KeptItem, ToolChoice } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { type AcceptedRequest, type Prompt, prompt } from '../src/index.ts';
import { call, callId, chainOf, failedModel, model, requestWith, tool } from './chains.ts';

const open = (encrypted: string): string => `opened ${encrypted}`;
const ask = (request: AcceptedRequest, steps: Parameters<typeof chainOf>[0] = []): Prompt =>
  prompt(request, chainOf(steps), null, [], open);
const called = [model([call('search')], { output: 40 }), tool('search', callId(1, 0), { output: 'x' })];

const SILENT: Prompt = {
  instructions: null,
  items: [],
  tools: [],
  tool_choice: null,
  permitted: null,
  parallel_tool_calls: null,
  max_output_tokens: null,
  temperature: null,
  top_p: null,
  presence_penalty: null,
  frequency_penalty: null,
  top_logprobs: null,
  format: null,
  verbosity: null,
  effort: null,
  summary: null,
  encrypted_reasoning: false,
  obfuscate: false,
  service_tier: null,
  prompt_cache_key: null,
  safety_identifier: null,
  user: null,
};

describe('a prompt', () => {
  test('says nothing that the client has not said', () => {
    expect(ask(requestWith())).toStrictEqual(SILENT);
    const nulls = {
      instructions: null,
      include: null,
      tools: null,
      tool_choice: null,
      parallel_tool_calls: null,
      max_output_tokens: null,
      temperature: null,
      top_logprobs: null,
      text: { format: null, verbosity: null },
      reasoning: { effort: null, summary: null },
      service_tier: null,
      user: null,
    };
    expect(ask(requestWith(nulls))).toStrictEqual(SILENT);
  });

  test('carries what the client asks for, zeros too', () => {
    const same = {
      instructions: 'Be brief.',
      temperature: 0,
      top_p: 0,
      presence_penalty: 0,
      frequency_penalty: -1,
      service_tier: 'flex' as const,
      prompt_cache_key: 'p',
      safety_identifier: 's',
      user: 'u',
    };
    const format = { type: 'json_schema' as const, name: 'n', schema: { type: 'object' } };
    const request = requestWith({
      ...same,
      text: { format, verbosity: 'high' },
      reasoning: { effort: 'low', summary: 'auto' },
      include: ['reasoning.encrypted_content'],
    });
    expect(ask({ ...request, obfuscate: true })).toStrictEqual({
      ...SILENT,
      ...same,
      format,
      verbosity: 'high',
      effort: 'low',
      summary: 'auto',
      encrypted_reasoning: true,
      obfuscate: true,
    });
  });

  const logprobs = ['message.output_text.logprobs' as const];
  test.each([
    [{}, null],
    [{ top_logprobs: 0 }, null],
    [{ top_logprobs: 3 }, 3],
    [{ include: logprobs }, 0],
    [{ include: logprobs, top_logprobs: null }, 0],
    [{ include: logprobs, top_logprobs: 3 }, 3],
    [{ include: ['reasoning.encrypted_content' as const] }, null],
  ])('logprobs of %j: %s', (body, top_logprobs) => {
    expect(ask(requestWith(body)).top_logprobs).toBe(top_logprobs);
  });

  test('leaves as many output tokens as the calls before have left', () => {
    const request = requestWith({ max_output_tokens: 100 }, { server: ['search'] });
    expect(ask(request).max_output_tokens).toBe(100);
    expect(ask(request, called).max_output_tokens).toBe(60);
    expect(ask(requestWith({}, { server: ['search'] }), called).max_output_tokens).toBeNull();
  });
});

describe('the tools of a prompt', () => {
  test('are the client’s, then the server’s', () => {
    const parameters = { type: 'object' };
    const request: AcceptedRequest = {
      ...requestWith({
        tools: [
          { type: 'function', name: 'mine', description: 'Mine', parameters, strict: true },
          { type: 'function', name: 'bare' },
        ],
        parallel_tool_calls: false,
      }),
      server_tools: [{ name: 'search', description: 'Finds', parameters }],
    };
    expect(ask(request)).toMatchObject({
      tools: [
        { name: 'mine', description: 'Mine', parameters, strict: true },
        { name: 'bare', description: null, parameters: null, strict: null },
        { name: 'search', description: 'Finds', parameters, strict: null },
      ],
      tool_choice: null,
      permitted: null,
      parallel_tool_calls: false,
    });
  });

  test('without any there is nothing to choose', () => {
    const choosy = { tool_choice: 'required' as const, parallel_tool_calls: true };
    expect(ask(requestWith(choosy))).toStrictEqual(SILENT);
  });

  const search = { type: 'function', name: 'search' } as const;
  const mine = { type: 'function', name: 'mine' } as const;
  const allowed = (mode: 'none' | 'auto' | 'required', ...tools: (typeof search | typeof mine)[]): ToolChoice => ({
    type: 'allowed_tools',
    tools,
    mode,
  });
  const ALL = ['mine', 'search', 'weather'];
  type Row = [
    what: string,
    choice: ToolChoice | undefined,
    first: Prompt['tool_choice'],
    later: Prompt['tool_choice'],
    permitted: string[] | null,
    offered: string[],
  ];
  const CHOICES: Row[] = [
    ['left out', undefined, null, null, null, ALL],
    ['auto', 'auto', 'auto', 'auto', null, ALL],
    ['none', 'none', 'none', 'none', [], ALL],
    ['required', 'required', 'required', 'auto', null, ALL],
    ['one function', search, { name: 'search' }, 'auto', null, ALL],
    ['one of several', allowed('auto', search), 'auto', 'auto', ['search'], ['search']],
    ['two of several', allowed('auto', search, mine), 'auto', 'auto', ['mine', 'search'], ['mine', 'search']],
    ['one of several at least', allowed('required', search), 'required', 'auto', ['search'], ['search']],
    ['none of several', allowed('none', search), 'none', 'none', [], ['search']],
  ];
  test.each(CHOICES)('tool_choice %s: a call is forced once, and what is forbidden stays so', (...row) => {
    const [, tool_choice, first, later, permitted, offered] = row;
    const request = requestWith(tool_choice === undefined ? {} : { tool_choice }, {
      server: ['search', 'weather'],
      client: ['mine'],
    });
    for (const [asked, choice] of [
      [ask(request), first],
      [ask(request, called), later],
    ] as const) {
      expect(asked.tool_choice).toEqual(choice);
      expect(asked.permitted).toEqual(permitted);
      expect(asked.tools.map((each) => each.name)).toEqual(offered);
    }
  });

  test('a model call without tools does not use a forced choice up', () => {
    const request = requestWith({ tool_choice: 'required' }, { server: ['search'] });
    expect(ask(request, [failedModel(null)]).tool_choice).toBe('required');
  });

  test('nor does an earlier turn', () => {
    const request = requestWith({ tool_choice: 'required' }, { server: ['search'] });
    const history = [{ items: [], chain: chainOf(called) }];
    expect(prompt(request, [], null, history, open).tool_choice).toBe('required');
    expect(
      prompt({ ...request, body: { ...request.body, max_output_tokens: 50 } }, [], null, history, open),
    ).toMatchObject({
      max_output_tokens: 50,
    });
  });
});

describe('the items of a prompt', () => {
  const user = (content: string): KeptItem => ({ type: 'message', role: 'user', content });

  test('are the history, the context, the input, and what the chain made of them', () => {
    const request = { ...requestWith({ input: [user('input')] }, { server: ['search'] }), context: [user('context')] };
    const history = [{ items: [user('first')], chain: [] }];
    expect(prompt(request, chainOf(called), null, history, open).items).toEqual([
      user('first'),
      user('context'),
      user('input'),
      { type: 'function_call', call_id: callId(1, 0), name: 'search', arguments: '{"q":1}' },
      { type: 'function_call_output', call_id: callId(1, 0), output: 'x' },
    ]);
  });

  test('a compaction is opened wherever it stands', () => {
    const compaction = (encrypted_content: string): KeptItem => ({ type: 'compaction', encrypted_content });
    const request = { ...requestWith({ input: [compaction('c')] }), context: [compaction('b')] };
    const items = prompt(request, [], null, [{ items: [compaction('a')], chain: [] }], open).items;
    expect(items).toEqual(['a', 'b', 'c'].map((name) => user(`Summary of the conversation so far:\n\nopened ${name}`)));
  });

  test('what cannot be opened is not told', () => {
    const request = requestWith({ input: [{ type: 'compaction', encrypted_content: 'x' }] });
    const closed = (): string => {
      throw new Error('not ours');
    };
    expect(() => prompt(request, [], null, [], closed)).toThrow('not ours');
  });

  test('is pure: the same chain is told the same way again', () => {
    const request = requestWith({ input: [user('q')] }, { server: ['search'] });
    const chain = chainOf(called);
    const before = structuredClone({ request, chain });
    expect(prompt(request, chain, null, [], open)).toEqual(prompt(request, chain, null, [], open));
    expect({ request, chain }).toEqual(before);
  });
});

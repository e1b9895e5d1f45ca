import { type AcceptedRequest, prompt } from '@tailrace/chain';
import type { ToolChoice } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { call, callId, chainOf, model, requestWith, tool } from '../../../packages/chain/test/chains.ts';
import { chatRequest } from '../src/chat-request.ts';

describe('chatRequest', () => {
  const ask = (request: AcceptedRequest, steps: Parameters<typeof chainOf>[0] = []) =>
    chatRequest(prompt(request, chainOf(steps), null, [], (text) => text));
  const called = [model([call('search')], { output: 40 }), tool('search', callId(1, 0), { output: 'x' })];

  test('says nothing that the client has not said', () => {
    expect(ask(requestWith())).toEqual({ messages: [] });
    const nothing = { tools: null, tool_choice: null, temperature: null, text: null, reasoning: null, user: null };
    expect(ask(requestWith({ ...nothing, max_output_tokens: null, parallel_tool_calls: null }))).toEqual({
      messages: [],
    });
  });

  test('passes the sampling parameters on, zeros too', () => {
    const sampling = { temperature: 0, top_p: 0.5, presence_penalty: 0, frequency_penalty: -1, user: 'u' };
    expect(ask(requestWith({ ...sampling, reasoning: { effort: 'low' }, text: { verbosity: 'high' } }))).toEqual({
      messages: [],
      ...sampling,
      reasoning_effort: 'low',
      verbosity: 'high',
    });
  });

  test('offers the client’s tools, then the server’s', () => {
    const parameters = { type: 'object' };
    const request: AcceptedRequest = {
      ...requestWith({
        tools: [{ type: 'function', name: 'mine', parameters, strict: true }],
        parallel_tool_calls: false,
      }),
      server_tools: [{ name: 'search', description: 'Finds', parameters }],
    };
    expect(ask(request)).toEqual({
      messages: [],
      tools: [
        { type: 'function', function: { name: 'mine', parameters, strict: true } },
        { type: 'function', function: { name: 'search', description: 'Finds', parameters } },
      ],
      parallel_tool_calls: false,
    });
  });

  const choice = { type: 'function', name: 'search' } as const;
  const allowed = (mode: 'none' | 'auto' | 'required'): ToolChoice => ({
    type: 'allowed_tools',
    tools: [choice],
    mode,
  });
  type Row = [what: string, choice: ToolChoice | undefined, first: unknown, later: unknown];
  const CHOICES: Row[] = [
    ['left out', undefined, undefined, undefined],
    ['auto', 'auto', 'auto', 'auto'],
    ['none', 'none', 'none', 'none'],
    ['required', 'required', 'required', 'auto'],
    ['one function', choice, { type: 'function', function: { name: 'search' } }, 'auto'],
    ['some, auto', allowed('auto'), 'auto', 'auto'],
    ['some, required', allowed('required'), 'required', 'auto'],
    ['some, none', allowed('none'), 'none', 'none'],
  ];
  test.each(CHOICES)('a tool choice is forced once: %s', (_what, tool_choice, first, later) => {
    const request = requestWith(tool_choice === undefined ? {} : { tool_choice }, { server: ['search'] });
    expect(ask(request).tool_choice).toEqual(first);
    expect(ask(request, called).tool_choice).toEqual(later);
  });

  test('allowed_tools leaves the others out; without tools there is no choice', () => {
    const request = requestWith({ tool_choice: allowed('auto') }, { server: ['search', 'weather'], client: ['mine'] });
    expect(ask(request).tools).toMatchObject([{ function: { name: 'search' } }]);
    expect(ask(requestWith({ tool_choice: 'required' }))).toEqual({ messages: [] });
  });

  test('max_tokens is what the calls before have left', () => {
    const request = requestWith({ max_output_tokens: 100 }, { server: ['search'] });
    expect(ask(request).max_tokens).toBe(100);
    expect(ask(request, called).max_tokens).toBe(60);
  });

  const schema = { type: 'object' };
  test.each([
    [{ type: 'text' }, undefined],
    [{ type: 'json_object' }, { type: 'json_object' }],
    [
      { type: 'json_schema', name: 'n', schema },
      { type: 'json_schema', json_schema: { name: 'n', schema } },
    ],
    [
      { type: 'json_schema', name: 'n', schema, description: 'd', strict: false },
      { type: 'json_schema', json_schema: { name: 'n', schema, description: 'd', strict: false } },
    ],
  ] as const)('text.format %j', (format, expected) => {
    expect(ask(requestWith({ text: { format } })).response_format).toEqual(expected);
  });

  test.each([
    ['auto', undefined],
    ['default', 'default'],
    ['flex', 'flex'],
    ['priority', 'priority'],
  ] as const)('service_tier %s', (service_tier, expected) => {
    expect(ask(requestWith({ service_tier })).service_tier).toBe(expected);
  });

  test.each([
    ['nobody asks', {}, undefined, undefined],
    ['alternatives', { top_logprobs: 2 }, true, 2],
    ['the tokens alone', { include: ['message.output_text.logprobs' as const] }, true, 0],
  ])('logprobs: %s', (_what, body, logprobs, top_logprobs) => {
    const chat = ask(requestWith(body));
    expect([chat.logprobs, chat.top_logprobs]).toEqual([logprobs, top_logprobs]);
  });

  test('passes on who asks, for caches and for safety', () => {
    const who = { user: 'u', prompt_cache_key: 'k', safety_identifier: 's' };
    expect(ask(requestWith(who))).toEqual({ messages: [], ...who });
  });
});

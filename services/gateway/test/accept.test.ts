import { createResponseBody, validate } from '@tailrace/protocol';
import { type RegisteredHttpTool, RegistryView } from '@tailrace/registry';
import { registeredHttpTool, registeredKey, registeredModel, registrySnapshot } from '@tailrace/registry/fixtures';
import { describe, expect, test } from 'vitest';
import { acceptRequest } from '../src/accept.ts';

const tool = (name: string, change: Partial<RegisteredHttpTool> = {}) =>
  registeredHttpTool(name, { description: `What ${name} does.`, parameters: { type: 'object' }, ...change });

const registry = new RegistryView(
  registrySnapshot({
    models: [
      registeredModel('small'),
      registeredModel('bare'),
      registeredModel('free'),
      registeredModel('secret', { groups: ['staff'] }),
    ],
    tools: [
      tool('look', { models: ['small'] }),
      tool('audit', { groups: ['staff'], models: ['small', 'bare'] }),
      tool('yield', { models: ['free'], clientOverride: true }),
    ],
  }),
);
const key = registeredKey('k', 'tr-k', { owner: 'me' });
const staff = { ...key, groups: ['everyone', 'staff'] };

const MAX_ITERATIONS = 7;
const RULES = {
  maxIterations: MAX_ITERATIONS,
  maxDepth: 3,
  serverTools: true,
  sealer: { seal: (plain: string) => `sealed ${plain}`, digest: (text: string) => `digest of ${text}` },
};
const accept = (body: Record<string, unknown>, by = key) =>
  acceptRequest(validate(createResponseBody, { model: 'small', input: 'Hi', ...body }), by, registry, RULES);

/** The code and the parameter of the error that `body` is refused with. */
function refusal(body: Record<string, unknown>, by = key): unknown {
  try {
    accept(body, by);
  } catch (error) {
    const { code, param } = error as { code: string; param: string };
    return { code, param };
  }
  return undefined;
}

const fn = (name: string) => ({ type: 'function', name });

describe('what is kept of a request', () => {
  test('the body with its input as items, the tools of the server, the cap; not how it is answered', () => {
    const { request, previousResponseId } = accept({ stream: true, stream_options: {}, temperature: 0.5 });
    expect(request).toEqual({
      body: { model: 'small', temperature: 0.5, input: [{ type: 'message', role: 'user', content: 'Hi' }] },
      server_tools: [{ name: 'look', description: 'What look does.', parameters: { type: 'object' } }],
      max_depth: 3,
      max_iterations: MAX_ITERATIONS,
    });
    expect(previousResponseId).toBeNull();
  });

  test('the identity in previous_response_id; then no input is needed', () => {
    const { request, previousResponseId } = accept({
      previous_response_id: 'resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b',
      input: [],
    });
    expect(previousResponseId).toBe('0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b');
    expect(request.body.input).toEqual([]);
  });

  test('the tools are those of the key’s groups and of the model', () => {
    const names = (model: string, by: typeof key) => accept({ model }, by).request.server_tools.map(({ name }) => name);
    expect(names('small', key)).toEqual(['look']);
    expect(names('small', staff)).toEqual(['audit', 'look']);
    expect(names('bare', key)).toEqual([]);
  });
});

describe('what is refused', () => {
  test('a model that the key may not use, as one that there is not', () => {
    const error = { code: 'model_not_found', param: 'model' };
    expect(refusal({ model: 'none' })).toEqual(error);
    expect(refusal({ model: 'secret' })).toEqual(error);
    expect(refusal({ model: 'secret' }, staff)).toBeUndefined();
  });

  test('no input and nothing to go on from', () => {
    expect(refusal({ input: [] })).toEqual({ code: 'missing_required_parameter', param: 'input' });
    expect(refusal({ input: '' })).toBeUndefined();
  });

  test('a name that is taken by a tool of the server, for those who have it', () => {
    expect(refusal({ tools: [fn('own'), fn('look')] })).toEqual({ code: 'tool_name_taken', param: 'tools[1].name' });
    expect(refusal({ model: 'bare', tools: [fn('look')] })).toBeUndefined();
    expect(refusal({ tools: [fn('audit')] })).toBeUndefined();
    expect(refusal({ tools: [fn('audit')] }, staff)).toEqual({ code: 'tool_name_taken', param: 'tools[0].name' });
  });

  test('unless the server leaves the name to its clients: then the tool is theirs', () => {
    const { request } = accept({ model: 'free', tools: [fn('yield')] });
    expect(request.body.tools).toEqual([fn('yield')]);
    expect(request.server_tools).toEqual([]);
    expect(accept({ model: 'free' }).request.server_tools.map(({ name }) => name)).toEqual(['yield']);
  });

  test('a conversation together with a previous response, and one that is none', () => {
    const both = { previous_response_id: 'resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b', conversation: 'conv_x' };
    expect(refusal(both)).toEqual({ code: 'mutually_exclusive', param: 'previous_response_id' });
    expect(refusal({ conversation: 'conv_x' })).toEqual({ code: 'conversation_not_found', param: 'conversation' });
    const id = '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b';
    const publicId = 'conv_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b';
    expect(accept({ conversation: publicId }).conversationId).toBe(id);
    expect(accept({ conversation: { id: publicId }, input: [] }).conversationId).toBe(id);
  });

  test('a name twice', () => {
    expect(refusal({ tools: [fn('a'), fn('b'), fn('b')] })).toEqual({
      code: 'duplicate_tool_name',
      param: 'tools[2].name',
    });
  });

  test('a choice of tools that there are not', () => {
    const error = { code: 'tool_choice_unknown', param: 'tool_choice' };
    const none = { code: 'invalid_value', param: 'tool_choice' };
    expect(refusal({ model: 'bare', tool_choice: 'required' })).toEqual(none);
    expect(refusal({ model: 'bare', tool_choice: 'auto' })).toBeUndefined();
    expect(refusal({ tool_choice: 'required' })).toBeUndefined();
    expect(refusal({ tool_choice: fn('own') })).toEqual(error);
    expect(refusal({ tools: [fn('own')], tool_choice: fn('own') })).toBeUndefined();
    expect(refusal({ tool_choice: fn('look') })).toBeUndefined();
    const mcp = { type: 'mcp', server_label: 'wiki', server_url: 'https://example.com/mcp' };
    const server = { type: 'mcp', server_label: 'wiki' };
    expect(refusal({ tool_choice: server })).toEqual(error);
    expect(refusal({ tools: [mcp], tool_choice: server })).toBeUndefined();
    expect(refusal({ model: 'bare', tools: [mcp], tool_choice: 'required' })).toBeUndefined();
    const allowed = (...names: string[]) => ({ type: 'allowed_tools', tools: names.map(fn) });
    expect(refusal({ tool_choice: allowed('look', 'own') })).toEqual(error);
    expect(refusal({ tools: [fn('own')], tool_choice: allowed('look', 'own') })).toBeUndefined();
  });

  test.each(['', 'resp_', 'resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6', '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b'])(
    'a previous_response_id that is none: "%s"',
    (previous_response_id) => {
      const error = { code: 'previous_response_not_found', param: 'previous_response_id' };
      expect(refusal({ previous_response_id })).toEqual(error);
    },
  );
});

import { createResponseBody, validate } from '@tailrace/protocol';
import { type RegisteredTool, RegistryView } from '@tailrace/registry';
import {
  registeredAgentTool,
  registeredHttpTool,
  registeredMcpTool,
  registeredModel,
  registrySnapshot,
} from '@tailrace/registry/fixtures';
import { describe, expect, test } from 'vitest';
import { toolScope } from '../src/tool-scope.ts';

const registryOf = (...tools: RegisteredTool[]) =>
  new RegistryView(
    registrySnapshot({
      models: [registeredModel('small'), registeredModel('large', { contextWindow: 9_000 }), registeredModel('quiet')],
      tools,
    }),
  );

/** The scope of a request to `small` by a key of `everyone`. */
function scope(
  registry: RegistryView,
  tools: unknown[] = [],
  change: { registered?: boolean; groups?: string[] } = {},
) {
  const body = validate(createResponseBody, { model: 'small', input: 'Hi', tools });
  const { groups = ['everyone'], registered = true } = change;
  const sealer = { seal: (plain: string) => `<${plain}>`, digest: (text: string) => `#${text}#` };
  return toolScope(body, { groups, registry, maxIterations: 7, registered, sealer });
}

function refusal(registry: RegistryView, tools: unknown[]): { code: string; param: string } {
  try {
    scope(registry, tools);
  } catch (error) {
    const { code, param } = error as { code: string; param: string };
    return { code, param };
  }
  throw new Error('it was not refused');
}

const names = (tools: readonly { name: string }[]) => tools.map(({ name }) => name);
const fn = (name: string) => ({ type: 'function', name });
const mcp = (server_label: string, change: Record<string, unknown> = {}) => ({
  type: 'mcp',
  server_label,
  server_url: 'https://mcp.example.com/mcp',
  ...change,
});

describe('agents', () => {
  const registry = registryOf(
    registeredAgentTool('boss', 'large', {
      tools: ['helper', 'look', 'audit', 'wiki', 'gone'],
      maxIterations: 3,
      models: ['small'],
    }),
    registeredAgentTool('helper', 'small', { tools: ['dig', 'boss', 'helper'], maxToolCalls: 5, models: ['large'] }),
    registeredAgentTool('lost', 'no-such-model'),
    registeredHttpTool('look'),
    registeredHttpTool('dig', { models: ['small', 'large'] }),
    registeredHttpTool('audit', { groups: ['staff'] }),
    registeredMcpTool('wiki', 'http://wiki/mcp', { models: ['large'] }),
  );

  test('bring along what they use, and what the agents among it use, and nothing twice', () => {
    const { serverTools, innerTools, servers } = scope(registry);
    expect(names(serverTools)).toEqual(['boss', 'dig', 'look']);
    expect(names(innerTools)).toEqual(['helper']);
    expect(servers).toMatchObject([{ label: 'wiki', at: { registered: 'wiki' }, inner: true }]);
    expect(serverTools[0]?.agent).toEqual({
      model: 'large',
      instructions: null,
      tools: ['helper', 'look'],
      mcp_servers: ['wiki'],
      max_iterations: 3,
      max_tool_calls: null,
      context_window: 9_000,
      timeout_ms: 1_000,
    });
    // `boss` is not for the model of `helper`… and `helper` not for its own.
    expect(innerTools[0]?.agent).toMatchObject({ tools: ['boss', 'dig'], max_iterations: 7, max_tool_calls: 5 });
  });

  test('use nothing that the key may not use', () => {
    expect(scope(registry).serverTools[0]?.agent?.tools).not.toContain('audit');
    const { serverTools } = scope(registry, [], { groups: ['everyone', 'staff'] });
    expect(serverTools.find(({ name }) => name === 'boss')?.agent?.tools).toContain('audit');
  });

  test('without their model are not there', () => {
    expect(names(scope(registry).serverTools)).not.toContain('lost');
  });

  test('may call themselves: that ends at the deepest scope', () => {
    const recursive = registryOf(registeredAgentTool('self', 'small', { tools: ['self'] }));
    expect(scope(recursive)).toMatchObject({
      serverTools: [{ name: 'self', agent: { tools: ['self'] } }],
      innerTools: [],
    });
  });

  test('keep a tool whose name the client has taken for itself', () => {
    const overridden = registryOf(
      registeredAgentTool('boss', 'small', { tools: ['look', 'wiki'] }),
      registeredHttpTool('look', { clientOverride: true }),
      registeredMcpTool('wiki', 'http://wiki/mcp', { clientOverride: true }),
    );
    const { serverTools, innerTools, servers, functions } = scope(overridden, [fn('look'), mcp('wiki')]);
    expect(names(serverTools)).toEqual(['boss']);
    expect(names(innerTools)).toEqual(['look']);
    expect(names(functions)).toEqual(['look']);
    expect(servers).toMatchObject([
      { label: 'wiki', at: { url: '<https://mcp.example.com/mcp>' }, inner: false },
      { label: 'wiki_', at: { registered: 'wiki' }, inner: true },
    ]);
    expect(serverTools[0]?.agent?.mcp_servers).toEqual(['wiki_']);
  });
});

describe('MCP servers of the operator', () => {
  const registry = registryOf(
    registeredMcpTool('wiki', 'http://wiki/mcp', {
      description: 'Knows.',
      allowedTools: ['read', 'write'],
      requireApproval: 'never',
    }),
    registeredMcpTool('bank', 'http://bank/mcp', { requireApproval: { always: ['pay'], never: ['see', 'list'] } }),
    registeredMcpTool('other', 'http://other/mcp', { models: ['large'] }),
    registeredHttpTool('look'),
  );

  test('are there without being asked for', () => {
    expect(scope(registry)).toMatchObject({
      serverTools: [{ name: 'look' }],
      servers: [
        { label: 'bank', at: { registered: 'bank' }, allowed_tools: null, inner: false },
        { label: 'wiki', description: 'Knows.', allowed_tools: ['read', 'write'], require_approval: 'never' },
      ],
    });
    expect(scope(registry, [], { registered: false })).toMatchObject({ serverTools: [], servers: [] });
  });

  const ask = (change: Record<string, unknown>) => {
    const { servers } = scope(registry, [{ type: 'mcp', server_label: 'bank', ...change }]);
    expect(servers.map(({ label }) => label)).toEqual(['bank', 'wiki']);
    return servers[0];
  };

  test('are used less, if the client says so, and never more', () => {
    expect(ask({ allowed_tools: ['see'] })?.allowed_tools).toEqual(['see']);
    const { servers } = scope(registry, [
      { type: 'mcp', server_label: 'wiki', allowed_tools: { tool_names: ['read', 'delete'] } },
    ]);
    expect(servers[0]?.allowed_tools).toEqual(['read']);
  });

  test.each([
    [undefined, { always: ['pay'], never: ['see', 'list'] }],
    ['never', { always: ['pay'], never: ['see', 'list'] }],
    ['always', 'always'],
    [{ never: { tool_names: ['see', 'pay'] } }, { always: ['pay'], never: ['see'] }],
    [
      { always: { tool_names: ['see'] }, never: { tool_names: ['see', 'list'] } },
      { always: ['pay', 'see'], never: ['list'] },
    ],
  ])('are approved where either of both says so: %j', (require_approval, policy) => {
    expect(ask({ require_approval })?.require_approval).toEqual(policy);
  });

  test('are refused when they are not there for this request, or are given headers', () => {
    const named = (server_label: string, change = {}) => [{ type: 'mcp', server_label, ...change }];
    const unknown = { code: 'mcp_server_not_found', param: 'tools[0].server_label' };
    for (const label of ['none', 'other', 'look']) expect(refusal(registry, named(label))).toEqual(unknown);
    expect(refusal(registry, named('bank', { authorization: 'x' }))).toEqual({
      code: 'invalid_value',
      param: 'tools[0].authorization',
    });
    expect(refusal(registry, named('bank', { headers: { a: 'b' } }))).toEqual({
      code: 'invalid_value',
      param: 'tools[0].headers',
    });
  });
});

describe('MCP servers of the client', () => {
  const registry = registryOf(registeredMcpTool('wiki', 'http://wiki/mcp'), registeredHttpTool('look'));

  test('are kept with their addresses and headers sealed, and ask for approval unless they are told not to', () => {
    const headers = { 'X-Tenant': '7' };
    const given = mcp('own', { headers, authorization: 'token', server_description: 'Mine.', allowed_tools: ['a'] });
    const { servers, functions } = scope(registry, [given, fn('f')]);
    expect(servers[0]).toEqual({
      label: 'own',
      description: 'Mine.',
      at: {
        url: '<https://mcp.example.com/mcp>',
        digest: '#https://mcp.example.com/mcp#',
        shown: 'https://mcp.example.com/<redacted>',
        headers: { 'x-tenant': '<7>', authorization: '<Bearer token>' },
      },
      allowed_tools: ['a'],
      require_approval: 'always',
      inner: false,
    });
    expect(functions).toEqual([fn('f')]);
    expect(scope(registry, [mcp('own', { require_approval: 'never' })]).servers[0]?.require_approval).toBe('never');
  });

  test.each([
    ['https://mcp.example.com', 'https://mcp.example.com/'],
    ['HTTPS://MCP.example.com:443/', 'https://mcp.example.com/'],
    ['https://mcp.example.com:8443/token', 'https://mcp.example.com:8443/<redacted>'],
    ['https://mcp.example.com?token', 'https://mcp.example.com/<redacted>'],
    ['http://[::1]/#token', 'http://[::1]/<redacted>'],
  ])('at %s are shown as %s, and nothing more is kept in the clear', (server_url, shown) => {
    const { at } = scope(registry, [mcp('own', { server_url })]).servers[0] ?? {};
    const { href } = new URL(server_url);
    expect(at).toEqual({ url: `<${href}>`, digest: `#${href}#`, shown, headers: {} });
  });

  test.each([
    ['a name of the server’s', [mcp('wiki')], 'tool_name_taken', 'tools[0].server_label'],
    ['a name of a tool of the server’s', [mcp('look')], 'tool_name_taken', 'tools[0].server_label'],
    ['a name twice', [mcp('a'), mcp('a')], 'duplicate_tool_name', 'tools[1].server_label'],
    ['no URL', [mcp('a', { server_url: 'mcp.example.com' })], 'invalid_value', 'tools[0].server_url'],
    ['another protocol', [mcp('a', { server_url: 'file:///etc/passwd' })], 'invalid_value', 'tools[0].server_url'],
    ['a password', [mcp('a', { server_url: 'https://u:p@example.com' })], 'invalid_value', 'tools[0].server_url'],
    ['a header of the transport', [mcp('a', { headers: { HOST: 'b' } })], 'invalid_value', 'tools[0].headers'],
    ['a header twice', [mcp('a', { headers: { A: '1', a: '2' } })], 'invalid_value', 'tools[0].headers'],
    [
      'two authorizations',
      [mcp('a', { headers: { Authorization: '1' }, authorization: '2' })],
      'mutually_exclusive',
      'tools[0].authorization',
    ],
    [
      'too many headers',
      [mcp('a', { headers: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`h${n}`, ''])) })],
      'invalid_value',
      'tools[0].headers',
    ],
  ])('are refused: %s', (_, tools, code, param) => {
    expect(refusal(registry, tools)).toEqual({ code, param });
  });

  test('need no tools of the server’s', () => {
    expect(scope(registry, [mcp('own')], { registered: false }).servers).toMatchObject([{ label: 'own' }]);
    // A name that is not offered is free.
    expect(scope(registry, [mcp('wiki')], { registered: false }).servers).toMatchObject([{ label: 'wiki' }]);
  });
});

/** What the registry of a system under test says. */
import type { LocalConfig } from '@tailrace/cli';

/** Where the registry has to say that the model and the tools are, so that they are called through links. */
export interface Called {
  /** Base address of the model, with `/v1`. */
  readonly upstreamUrl: string;
  /** Base address of the tools: `<toolsUrl>/get_weather`. */
  readonly toolsUrl: string;
  /** The MCP server's endpoint. */
  readonly mcpUrl: string;
}

/**
 * The demo model as `demo`, with its tools and with agents that call them and each other; and as `demo-mcp`, with the tools
 * of an MCP server.
 */
export function demoRegistry({ upstreamUrl, toolsUrl, mcpUrl }: Called): LocalConfig {
  const all = { groups: ['everyone'], models: ['demo'], concurrency: 64, idempotent: true, timeout_ms: 30_000 };
  const tool = (name: string, properties: Record<string, unknown>) => ({
    ...all,
    name,
    kind: 'http',
    description: `The demo tool ${name}.`,
    parameters: { type: 'object', properties },
    url: `${toolsUrl}/${name}`,
  });
  const agent = (name: string, model: string, tools: string[]) => {
    const instructions = `You are the ${name}.`;
    return { name, kind: 'agent', groups: ['everyone'], models: ['demo'], model, instructions, tools };
  };
  const city = { city: { type: 'string' } };
  const upstreams = [{ base_url: upstreamUrl, api_key: 'demo', model: 'demo' }];
  const model = (name: string) => ({ name, groups: ['everyone'], concurrency: 256, upstreams });
  const own = ['get_weather', 'get_time', 'echo'];
  return {
    models: [model('demo'), model('demo-mcp')],
    tools: [
      tool('get_weather', city),
      tool('get_time', city),
      tool('echo', {}),
      { ...all, name: 'shelf', kind: 'mcp', models: ['demo-mcp'], url: mcpUrl, require_approval: 'never' },
      agent('researcher', 'demo', ['analyst', ...own]),
      agent('analyst', 'demo', ['reader', 'librarian', ...own]),
      agent('reader', 'demo', own),
      agent('librarian', 'demo-mcp', ['shelf']),
    ],
  };
}

/** The tools of MCP servers, listed once in a while. */
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ListToolsResultSchema } from '@modelcontextprotocol/sdk/types.js';
import type { McpTool } from '@tailrace/chain';
import { ApiError } from '@tailrace/protocol';
import { LRUCache } from 'lru-cache';
import { blotOutWithin } from '../secrets.ts';
import type { ExchangeRequest } from './mcp-exchange.ts';
import { mcpTool } from './mcp-output.ts';

/** Bounds of what a process knows of servers. */
export interface McpListingLimits {
  /** Milliseconds for which a listing is believed. */
  ttlMs: number;
  /** Tools of one server. */
  maxTools: number;
  /** Bytes of one listing, as JSON. */
  maxBytes: number;
  /** Bytes of all listings. */
  cacheBytes: number;
}

/** See the file's head. */
export class McpListings {
  readonly #limits: McpListingLimits;
  readonly #known: LRUCache<string, McpTool[]>;

  constructor(limits: McpListingLimits) {
    this.#limits = limits;
    this.#known = new LRUCache({ ttl: limits.ttlMs, maxSize: limits.cacheBytes });
  }

  known(key: string): McpTool[] | undefined {
    return this.#known.get(key);
  }

  /**
   * Asks for all pages of a listing, each in an exchange of its own. What a server repeats of `secrets` is not in it.
   * @throws ApiError `tool_invalid_answer`, `tool_output_too_large`
   */
  async fetch(
    key: string,
    ask: <T>(request: (client: Client, each: ExchangeRequest) => Promise<T>) => Promise<T>,
    secrets: readonly string[],
  ): Promise<McpTool[]> {
    const { maxTools, maxBytes } = this.#limits;
    const tools: McpTool[] = [];
    let bytes = 0;
    let cursor: string | undefined;
    for (let pages = 1; ; pages += 1) {
      const params = cursor === undefined ? {} : { cursor };
      // Not the client's own method: that compiles the schemas of outputs, which nobody here needs.
      const page = await ask((client, each) =>
        client.request({ method: 'tools/list', params }, ListToolsResultSchema, each),
      );
      tools.push(...blotOutWithin(page.tools.map(mcpTool), secrets));
      bytes += Buffer.byteLength(JSON.stringify(page.tools));
      if (bytes > maxBytes) throw new ApiError('tool_output_too_large', { limit: maxBytes });
      if (tools.length > maxTools || pages > maxTools) {
        throw new ApiError('tool_invalid_answer', { reason: `it lists more than ${maxTools} tools` });
      }
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    this.#known.set(key, tools, { size: Math.max(1, bytes) });
    return tools;
  }
}

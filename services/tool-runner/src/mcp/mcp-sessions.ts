/** Sessions with MCP servers: made when they are needed, shared, bounded. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { LRUCache } from 'lru-cache';
import { Deadline } from '../deadline.ts';
import { type ExchangeOptions, type ExchangeRequest, exchange } from './mcp-exchange.ts';
import { mcpFetch, RefusedMessage } from './mcp-fetch.ts';
import type { ReachableServer } from './mcp-server.ts';

/** Bounds of the sessions of a process. */
export interface McpSessionLimits {
  /** Sessions that are kept. */
  sessions: number;
  /** Milliseconds after which one is closed that nobody uses. */
  idleMs: number;
  /** Milliseconds for making one. */
  connectMs: number;
  /** Bytes of one answer. */
  maxBytes: number;
}

interface Session {
  client: Client;
  transport: StreamableHTTPClientTransport;
}

interface Kept {
  /** Made, or being made. */
  session: Promise<Session>;
  /** Calls that use it, or wait for it. */
  users: number;
  /** Nobody else is to use it. */
  retired: boolean;
}

/** What a server answers to a session that it does not know: the second is common, the first is by the book. */
const GONE = new Set([404, 400]);

/** See the file's head. */
export class McpSessions {
  readonly #limits: McpSessionLimits;
  readonly #stopping = new AbortController();
  readonly #closing = new Set<Promise<void>>();
  readonly #open: LRUCache<string, Kept>;

  constructor(limits: McpSessionLimits) {
    this.#limits = limits;
    this.#open = new LRUCache<string, Kept>({
      max: limits.sessions,
      ttl: limits.idleMs,
      ttlAutopurge: true,
      updateAgeOnGet: true,
      dispose: (kept) => {
        kept.retired = true;
        if (kept.users === 0) this.#close(kept);
      },
    });
  }

  /**
   * Asks a server within a session of it. A session that the server has forgotten is made anew, once: a message that was
   * refused has had no effect.
   */
  async ask<T>(
    server: ReachableServer,
    options: ExchangeOptions,
    request: (client: Client, each: ExchangeRequest) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const known = this.#open.get(server.sessionKey);
      const kept = known ?? this.#make(server);
      kept.users += 1;
      try {
        const { client } = await abortable(kept.session, options.signal);
        return await exchange(options, (each) => request(client, each));
      } catch (error) {
        if (!(error instanceof RefusedMessage) || !GONE.has(error.status)) throw error;
        if (this.#open.peek(server.sessionKey) === kept) this.#open.delete(server.sessionKey);
        if (!known || attempt > 1) throw error;
      } finally {
        kept.users -= 1;
        if (kept.retired && kept.users === 0) this.#close(kept);
      }
    }
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    this.#open.clear();
    // Those that are being made, and those whose calls are under way, end with this.
    this.#stopping.abort(new Error('the process is stopping'));
    await Promise.all(this.#closing);
  }

  #make(server: ReachableServer): Kept {
    const kept: Kept = { session: this.#connect(server), users: 0, retired: false };
    this.#open.set(server.sessionKey, kept);
    kept.session.catch(() => {
      // Whoever waits for it hears why; the next one tries again.
      if (this.#open.peek(server.sessionKey) === kept) this.#open.delete(server.sessionKey);
    });
    return kept;
  }

  async #connect(server: ReachableServer): Promise<Session> {
    const transport = new StreamableHTTPClientTransport(new URL(server.url), {
      requestInit: { headers: server.headers },
      fetch: mcpFetch(server.send, this.#limits.maxBytes),
    });
    const client = new Client({ name: 'tailrace', version: '1' });
    const deadline = new Deadline(this.#limits.connectMs);
    const signal = AbortSignal.any([this.#stopping.signal, deadline.signal]);
    // The SDK's types are not written for exact optional properties.
    const done = () => client.getServerCapabilities() !== undefined;
    try {
      await exchange({ headers: {}, signal, answered: () => undefined, done }, (each) =>
        client.connect(transport as Parameters<Client['connect']>[0], each),
      );
    } finally {
      deadline.close();
    }
    return { client, transport };
  }

  #close({ session }: Kept): void {
    const closing = goodbye(session).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/** Tells the server that it can forget the session. One that does not listen forgets it by itself, and one that was never made needs no telling. */
async function goodbye(session: Promise<Session>): Promise<void> {
  const [made] = await Promise.allSettled([session]);
  if (made.status === 'rejected') return;
  const { client, transport } = made.value;
  await Promise.allSettled([transport.terminateSession()]);
  await client.close();
}

/** What others wait for as well goes on when one of them gives up. */
function abortable<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

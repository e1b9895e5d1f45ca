import { Agent, type Dispatcher } from 'undici';

/** Bounds of the connections of a process. */
export interface ConnectionLimits {
  connectMs: number;
  /** Connections to one host. */
  connections: number;
  /** Bytes of the headers of one answer. */
  maxHeaderBytes: number;
}

/**
 * The connections to where the operator said. A server may close one that is idle at any time, also when the next request is
 * already on its way to it, and nothing tells then whether it has been read: so one that has been used is used again only for
 * what may be sent again.
 */
export class Connections {
  readonly #kept: Agent;
  readonly #single: Agent;

  constructor(limits: ConnectionLimits, options: Pick<Agent.Options, 'maxResponseSize'> = {}) {
    const common: Agent.Options = {
      ...options,
      connections: limits.connections,
      connect: { timeout: limits.connectMs },
      maxHeaderSize: limits.maxHeaderBytes,
      // The deadline of each call is the tool's own.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    this.#kept = new Agent(common);
    // The library's way of having each connection end with its answer.
    this.#single = new Agent({ ...common, pipelining: 0 });
  }

  /** The way of a request. */
  for({ idempotent }: { idempotent: boolean }): Dispatcher {
    return idempotent ? this.#kept : this.#single;
  }

  /** Gives up what is under way. */
  async close(): Promise<void> {
    await Promise.all([this.#kept.destroy(), this.#single.destroy()]);
  }
}

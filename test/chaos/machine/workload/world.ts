/** What the clients of a run have in common. */
import type { Traffic } from './retries.ts';

/** The stack as its clients see it, and what they wait for. */
export interface World {
  /** Base addresses without `/v1`. */
  gateways: readonly string[];
  apiKey: string;
  /** The name of the key's owner. */
  owner: string;
  /** The key of somebody who has made nothing. */
  strangerKey: string;
  /** Milliseconds in which a gateway sends at least a keep-alive; a stream that is silent for longer is given up. */
  idleMs: number;
  /** Milliseconds to the head of an answer, except where the client waits for the response's end. */
  headMs: number;
  traffic: Traffic;
  /** Aborted when nobody waits any longer. */
  signal: AbortSignal;
}

/** The run is over: what a client is still waiting for is not coming. */
export class RunOver extends Error {
  constructor() {
    super('the run was over before it came');
    this.name = 'RunOver';
  }
}

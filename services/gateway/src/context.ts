import type { Bus, OrchestratorClient } from '@tailrace/bus';
import type { Database } from '@tailrace/database';
import type { GuardedFetch } from '@tailrace/guarded-fetch';
import type { TailHub } from '@tailrace/log';
import type { RegistryWatch, Sealer } from '@tailrace/registry';
import type { Logger } from '@tailrace/service';
import type { Abandonment } from './abandonment.ts';
import type { RelayInbox } from './relay/relay-inbox.ts';
import type { RequestLimits } from './request-limits.ts';
import type { OpenStreams } from './streams.ts';

/** What the routes of a gateway work with. */
export interface GatewayContext {
  bus: Bus;
  database: Database;
  registry: RegistryWatch;
  tails: TailHub;
  orchestrator: OrchestratorClient;
  sealer: Sealer;
  /** Fetches the files that requests name by URL. */
  files: GuardedFetch;
  limits: RequestLimits;
  streams: OpenStreams;
  abandonment: Abandonment;
  relays: RelayInbox;
  log: Logger;
  maxIterations: number;
  /** How deep agents may call agents. */
  maxDepth: number;
  /** Milliseconds without a byte after which a stream's client is told that it is still there. */
  keepAliveMs: number;
}

import type { Bus } from '@tailrace/bus';
import type { Database } from '@tailrace/database';
import type { TailHub } from '@tailrace/log';
import type { RegistryWatch } from '@tailrace/registry';
import type { Logger } from '@tailrace/service';
import type { Acceptance } from './acceptance.ts';
import type { OpenStreams } from './streams.ts';

/** What the routes of a gateway work with. */
export interface GatewayContext {
  bus: Bus;
  database: Database;
  registry: RegistryWatch;
  tails: TailHub;
  acceptance: Acceptance;
  streams: OpenStreams;
  log: Logger;
  maxIterations: number;
}

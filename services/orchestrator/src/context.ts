import type { Bus } from '@tailrace/bus';
import type { Database } from '@tailrace/database';
import type { Sealer } from '@tailrace/registry';
import type { Logger } from '@tailrace/service';

/** How long responses are kept after their end, in milliseconds. */
export interface Retention {
  storedMs: number;
  /** Of responses that their clients did not want stored. */
  unstoredMs: number;
  /** How long rows of calls are kept, counted from the beginning of each call. */
  analyticsMs: number;
}

/** What the transactions of an orchestrator work with. */
export interface StoreContext {
  database: Database;
  sealer: Sealer;
  retention: Retention;
}

/** What the parts of an orchestrator work with. */
export interface OrchestratorContext extends StoreContext {
  bus: Bus;
  log: Logger;
  partitions: number;
}

import type { Bus } from '@tailrace/bus';
import type { Database } from '@tailrace/database';
import type { Logger } from '@tailrace/service';

/** What the parts of an orchestrator work with. */
export interface OrchestratorContext {
  bus: Bus;
  database: Database;
  log: Logger;
  partitions: number;
}

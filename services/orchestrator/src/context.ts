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

/**
 * Named places at which a test may end the process, one at each boundary between a commit and a publish. They are armed
 * by the environment (`CRASH_AT`), and do nothing otherwise.
 */
export type CrashPoint =
  | 'before-create-commit'
  | 'after-create-commit'
  | 'after-create-append'
  | 'before-result-commit'
  | 'after-result-commit'
  | 'after-result-append'
  | 'before-ack';

/** Ends the process without any farewell when this point is armed. */
export function crashPoint(point: CrashPoint): void {
  if (process.env.CRASH_AT === point) process.kill(process.pid, 'SIGKILL');
}

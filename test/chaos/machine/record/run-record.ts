import type { Call } from './call.ts';
import type { FaultRecord } from './fault-record.ts';
import type { MemorySample } from './memory-sample.ts';
import type { ResponseRecord } from './response-record.ts';

/** A whole run. */
export interface RunRecord {
  seed: number;
  responses: ResponseRecord[];
  /** In the order of their beginnings. */
  faults: FaultRecord[];
  /**
   * Every call that the demo model and its tools received. Its log keeps the last 10,000 only: of a longer run it is read
   * and cleared in between.
   */
  calls: Call[];
  memory: MemorySample[];
}

import { unlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Named places at which a test may end a process: one at each boundary between a commit and a publish, or a publish and
 * an acknowledgement.
 */
export type CrashPoint =
  | 'before-create-commit'
  | 'after-create-commit'
  | 'after-create-append'
  | 'before-result-commit'
  | 'after-result-commit'
  | 'after-result-append'
  | 'before-result-ack'
  | 'before-cancel-commit'
  | 'after-cancel-commit'
  | 'after-take-up'
  | 'before-model-seal'
  | 'after-model-seal'
  | 'after-tool-begin'
  | 'after-tool-call'
  | 'before-work-ack';

/**
 * Ends the process without any farewell, once, when a test has armed this point: by `CRASH_DIR` in the environment and a
 * file of the point's name in that folder. Costs a comparison otherwise.
 */
export function crashPoint(point: CrashPoint): void {
  const folder = process.env.CRASH_DIR;
  if (folder === undefined) return;
  try {
    unlinkSync(join(folder, point));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  process.kill(process.pid, 'SIGKILL');
}

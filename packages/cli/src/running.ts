import type { ExitStatus } from '@tailrace/infra';

/** A process that is up and ready. */
export interface Running {
  readonly pid: number;
  /** Settles once the process has ended, whoever ended it. */
  readonly exited: Promise<ExitStatus>;
  /** Stops the process, gently at first, and resolves once it has ended. */
  stop(): Promise<void>;
}

/** What ended a process, for people. */
export function describeExit({ code, signal }: ExitStatus): string {
  return signal === null ? `status ${code}` : signal;
}

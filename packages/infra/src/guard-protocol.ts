/** One step of stopping a server: the signal, and how long it may take before the next step. */
export interface StopStage {
  readonly signal: NodeJS.Signals;
  readonly waitMs: number;
}

/** What the parent tells the guard. */
export type GuardCommand =
  | {
      readonly do: 'run';
      readonly file: string;
      readonly args: readonly string[];
      readonly cwd: string;
      readonly env: NodeJS.ProcessEnv;
      readonly user?: { readonly uid: number; readonly gid: number } | undefined;
      /** Tried in order; SIGKILL follows the last. */
      readonly stages: readonly StopStage[];
    }
  | { readonly do: 'stop' };

/** What the guard tells the parent. */
export type GuardReport =
  | { readonly is: 'running'; readonly pid: number }
  | { readonly is: 'failed'; readonly message: string }
  | { readonly is: 'exited'; readonly code: number | null; readonly signal: NodeJS.Signals | null };

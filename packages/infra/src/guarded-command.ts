import { join } from 'node:path';
import { lastLine } from './command.ts';
import { startGuarded } from './guarded-process.ts';
import { openLogFile, tailOf } from './log-file.ts';

/** How a long command is run. */
export interface GuardedRun {
  /** Folder for its work and its output's file. */
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Run as this user (needs root). */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Runs a command that may take minutes and starts others: it and they end when this process dies, on `signal`, and after
 * `timeoutMs`.
 *
 * @throws Error, in one line, when it does not end with status 0.
 */
export async function runGuarded(file: string, args: readonly string[], run: GuardedRun): Promise<void> {
  run.signal?.throwIfAborted();
  const output = await openLogFile(join(run.dir, 'output.log'));
  try {
    const command = await startGuarded({
      file,
      args,
      cwd: run.dir,
      env: run.env,
      user: run.user,
      outputFd: output.fd,
      stages: [{ signal: 'SIGTERM', waitMs: 2_000 }],
    });
    const limit = AbortSignal.timeout(run.timeoutMs);
    const ended = run.signal === undefined ? limit : AbortSignal.any([limit, run.signal]);
    ended.addEventListener('abort', () => command.stop(), { once: true });
    const status = await command.exited;
    run.signal?.throwIfAborted();
    if (limit.aborted) throw new Error(`${file} took longer than ${run.timeoutMs / 1000} s`);
    if (status.code !== 0) throw new Error(lastLine(await tailOf(output.path)) ?? `${file} ended with ${status.code}`);
  } finally {
    output.close();
  }
}

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { GuardCommand, GuardReport, StopStage } from './guard-protocol.ts';

const GUARD = fileURLToPath(new URL('./guard.ts', import.meta.url));
const GRACE_MS = 5_000;

/** How a process ended: its exit code, or the signal that ended it. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What to run under a guard. */
export interface GuardedCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Run as this user (needs root). */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Open file that takes standard output and standard error; the caller closes it. */
  readonly outputFd: number;
  /** How it is stopped; SIGKILL follows the last stage. */
  readonly stages: readonly StopStage[];
}

/** A process that does not outlive the one that started it. */
export interface GuardedProcess {
  /** The process itself, not its guard. */
  readonly pid: number;
  /** Settles once the process has ended, whoever ended it. */
  readonly exited: Promise<ExitStatus>;
  /** Stops the process, step by step, and resolves once it has ended. Any number of calls. */
  stop(): Promise<ExitStatus>;
}

/**
 * Starts a command under a guard, which stops it when the calling process dies, even by `kill -9`.
 *
 * @throws Error when the command cannot be started.
 */
export function startGuarded(command: GuardedCommand): Promise<GuardedProcess> {
  const guard = spawn(process.execPath, [GUARD], {
    cwd: '/',
    detached: true,
    env: {},
    stdio: ['ignore', command.outputFd, command.outputFd, 'ipc'],
  });
  const tell = (message: GuardCommand) => {
    // A guard that is gone has stopped its process, or its 'exit' below does.
    if (guard.connected) guard.send(message, () => undefined);
  };

  return new Promise((resolve, reject) => {
    let pid: number | undefined;
    let ended: ExitStatus | undefined;
    const exit = Promise.withResolvers<ExitStatus>();

    const stop = (): Promise<ExitStatus> => {
      tell({ do: 'stop' });
      const bound = command.stages.reduce((sum, stage) => sum + stage.waitMs, GRACE_MS);
      const timer = setTimeout(() => guard.kill('SIGKILL'), bound);
      return exit.promise.finally(() => clearTimeout(timer));
    };

    guard.once('error', (error) => reject(error));
    guard.on('message', (report: GuardReport) => {
      if (report.is === 'running') {
        pid = report.pid;
        resolve({ pid, exited: exit.promise, stop });
      } else if (report.is === 'failed') {
        reject(new Error(`${command.file} cannot be started: ${report.message}`));
      } else {
        ended = { code: report.code, signal: report.signal };
      }
    });
    guard.once('exit', () => {
      if (pid === undefined) reject(new Error(`${command.file} cannot be started: its guard has ended`));
      if (pid !== undefined && ended === undefined) killIfAlive(pid);
      exit.resolve(ended ?? { code: null, signal: 'SIGKILL' });
    });
    tell({
      do: 'run',
      file: command.file,
      args: command.args,
      cwd: command.cwd,
      env: command.env,
      user: command.user,
      stages: command.stages,
    });
  });
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

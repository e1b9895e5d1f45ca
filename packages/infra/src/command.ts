import { execFile } from 'node:child_process';

/** How a short command is run. */
export interface CommandOptions {
  /** Working directory; the current one by default. */
  readonly cwd?: string;
  /** The whole environment; the current one by default. */
  readonly env?: NodeJS.ProcessEnv;
  /** Bound in milliseconds, after which the command is killed; 10 000 by default. */
  readonly timeoutMs?: number;
  /** Kills the command when aborted. */
  readonly signal?: AbortSignal;
  /** Run as this user (needs root). */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

/** A command that did not start, was killed, or ended with another status than 0. */
export class CommandFailed extends Error {
  /** What it wrote to standard error, its last 2,000 characters. */
  readonly stderr: string;

  constructor(file: string, reason: string, stderr: string) {
    super(`${file}: ${reason}`);
    this.name = 'CommandFailed';
    this.stderr = stderr.slice(-2000);
  }
}

/**
 * Runs a command that ends by itself and returns its standard output.
 *
 * @throws CommandFailed; its message holds the last line the command wrote to standard error.
 */
export function runCommand(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      file,
      args,
      {
        encoding: 'utf8',
        killSignal: 'SIGKILL',
        maxBuffer: 4 * 1024 * 1024,
        timeout: options.timeoutMs ?? 10_000,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        ...(options.env === undefined ? {} : { env: options.env }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.user === undefined ? {} : { uid: options.user.uid, gid: options.user.gid }),
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new CommandFailed(file, reasonOf(error, stderr), stderr));
      },
    );
  });
}

function reasonOf(error: Error & { code?: unknown; killed?: boolean }, stderr: string): string {
  if (error.code === 'ENOENT') return 'not found';
  if (error.killed === true) return 'took too long';
  return lastLine(stderr) ?? (typeof error.code === 'number' ? `ended with status ${error.code}` : error.message);
}

/** The last line of a text that is not blank. */
export function lastLine(text: string): string | undefined {
  return text
    .split('\n')
    .map((line) => line.trim())
    .findLast((line) => line !== '');
}

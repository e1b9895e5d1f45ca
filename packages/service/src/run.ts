import type { Logger } from './logger.ts';

/** A service that is up. */
export interface RunningService {
  /** Takes nothing new, ends what is under way, lets go of everything. */
  stop(): Promise<void>;
}

/** Milliseconds that a stop may take beyond the drain before the process ends anyway. */
const GRACE_MS = 3_000;

/**
 * Runs a service as this process: SIGTERM or SIGINT (or the end of the parent that holds its IPC channel) drains it, a
 * second signal or the deadline ends it.
 */
export async function runService(log: Logger, drainMs: number, start: () => Promise<RunningService>): Promise<void> {
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    process.exit(1);
  });
  let stopping = false;
  let running: RunningService | undefined;
  const stop = async (why: string) => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ why }, 'draining');
    const deadline = setTimeout(() => {
      log.error('the drain took too long');
      process.exit(1);
    }, drainMs + GRACE_MS);
    deadline.unref();
    try {
      await running?.stop();
      log.info('stopped');
      process.exit(0);
    } catch (error) {
      log.error({ err: error }, 'could not stop cleanly');
      process.exit(1);
    }
  };
  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));
  process.on('disconnect', () => {
    if (!stopping) void stop('the parent is gone');
  });
  try {
    running = await start();
  } catch (error) {
    log.fatal({ err: error }, 'could not start');
    process.exit(1);
  }
}

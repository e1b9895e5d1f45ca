import { fileURLToPath } from 'node:url';
import type { Log } from './log.ts';
import { cacheWay } from './nats-cache.ts';
import { debianWay } from './nats-debian.ts';
import { goWay } from './nats-go.ts';
import { environmentWay, pathWay } from './nats-installed.ts';
import { releaseWay } from './nats-release.ts';
import { PINNED_VERSION, versionOf } from './nats-version.ts';
import type { FindContext, NatsWay } from './nats-way.ts';

const CACHE_DIR = fileURLToPath(new URL('../../../.cache/nats-server', import.meta.url));
const WAYS: readonly NatsWay[] = [environmentWay, pathWay, cacheWay, releaseWay, goWay, debianWay];

/** A nats-server that runs here. */
export interface NatsBinary {
  readonly path: string;
  /** `major.minor.patch`. */
  readonly version: string;
  /** The way it was found, for people. */
  readonly source: string;
}

/** Where to look for nats-server. */
export interface FindOptions {
  readonly log: Log;
  /** Folder for downloaded and built copies; the project's own by default. */
  readonly cacheDir?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds a nats-server: `NATS_SERVER_BIN`, `PATH`, the project's cache, the pinned official release, `go install`,
 * Debian's package, in this order. A way that does not work says so in one line and the next is tried.
 *
 * @throws Error that says what to do when every way has failed; the signal's reason when aborted.
 */
export function findNatsServer({ log, cacheDir = CACHE_DIR, signal }: FindOptions): Promise<NatsBinary> {
  return firstOf(WAYS, { cacheDir, env: process.env, log, signal });
}

/** Tries the ways in order; a binary counts only when it runs and is recent enough. */
export async function firstOf(
  ways: readonly NatsWay[],
  context: FindContext,
  readVersion: typeof versionOf = versionOf,
): Promise<NatsBinary> {
  for (const way of ways) {
    context.signal?.throwIfAborted();
    try {
      const path = await way.find(context);
      if (path === undefined) continue;
      return { path, version: await readVersion(path, context.signal), source: way.name };
    } catch (error) {
      context.signal?.throwIfAborted();
      context.log(`nats-server: ${way.name}: ${reasonOf(error)}`);
    }
  }
  throw new Error(
    `no nats-server was found. Install it (https://github.com/nats-io/nats-server/releases/tag/v${PINNED_VERSION}) and ` +
      'put it on PATH or name it in NATS_SERVER_BIN; or set NATS_URL to a server that runs already.',
  );
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A connection refused on every address of a name is an error with a code and without a message.
  const text = error.message === '' ? ((error as NodeJS.ErrnoException).code ?? error.name) : error.message;
  return text.split('\n', 1)[0] ?? text;
}

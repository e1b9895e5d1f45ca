import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Heal } from './fault.ts';

/** So many connect at a time, so that they are there first when others' connections end. */
const AT_ONCE = 16;
const PAUSE_MS = 20;
/** In which nobody else has a connection left. */
const TAKEN_MS = 20_000;
const CONNECT_MS = 10_000;
const TOO_MANY_CONNECTIONS = '53300';
const NAME = 'chaos holds them all';

/**
 * Takes every connection that Postgres has, others' included, and holds them until it is healed.
 *
 * @throws when Postgres cannot be reached, or others keep theirs; it holds none then.
 */
export async function holdConnections(url: string): Promise<Heal> {
  const first = await connected(url);
  const taking = new Taking(url, [first]);
  const heal = async () => {
    await Promise.all(taking.held.splice(0).map((client) => client.end()));
  };
  const taken = endOthers(first, taking).finally(() => taking.stop());
  const [ended, took] = await Promise.allSettled([taken, taking.run()]);
  if (ended.status === 'fulfilled' && took.status === 'fulfilled') return heal;
  await heal();
  throw ended.status === 'rejected' ? ended.reason : (took as PromiseRejectedResult).reason;
}

/** Holds whatever connection becomes free. */
class Taking {
  readonly held: pg.Client[];
  /** Whether the last try was refused. */
  isFull = false;
  isStopped = false;
  readonly #url: string;

  constructor(url: string, held: pg.Client[]) {
    this.#url = url;
    this.held = held;
  }

  async run(): Promise<void> {
    const tried = await Promise.allSettled(Array.from({ length: AT_ONCE }, () => this.#take()));
    const failed = tried.find((each) => each.status === 'rejected');
    if (failed) throw failed.reason;
  }

  stop(): void {
    this.isStopped = true;
  }

  async #take(): Promise<void> {
    while (!this.isStopped) {
      try {
        this.held.push(await connected(this.#url));
        this.isFull = false;
      } catch (error) {
        if (!isTooMany(error)) {
          this.stop();
          throw error;
        }
        this.isFull = true;
        await sleep(PAUSE_MS);
      }
    }
  }
}

/** Ends others' connections, also those that they have made anew, until there are none and none can be made. */
async function endOthers(client: pg.Client, taking: Taking): Promise<void> {
  for (const until = performance.now() + TAKEN_MS; performance.now() < until; await sleep(PAUSE_MS)) {
    if (taking.isStopped) return;
    // One that starts has not told its name yet.
    const { rowCount } = await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE backend_type = 'client backend' AND state <> 'starting' AND application_name <> $1`,
      [NAME],
    );
    if (rowCount === 0 && taking.isFull) return;
  }
  throw new Error(`others still had connections after ${TAKEN_MS} ms`);
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: NAME,
    connectionTimeoutMillis: CONNECT_MS,
  });
  // A server that ends meanwhile has taken them back by itself.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

function isTooMany(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === TOO_MANY_CONNECTIONS;
}

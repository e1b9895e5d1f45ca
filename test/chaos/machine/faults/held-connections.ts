import pg from 'pg';
import type { Heal } from './fault.ts';

const AT_ONCE = 16;
const ROUNDS = 20;
const CONNECT_MS = 10_000;
const TOO_MANY_CONNECTIONS = '53300';
const NAME = 'chaos holds them all';

/**
 * Takes every connection that Postgres has, others' included, and holds them until it is healed.
 *
 * @throws when Postgres cannot be reached; it holds none then.
 */
export async function holdConnections(url: string): Promise<Heal> {
  const held: pg.Client[] = [];
  const heal = async () => {
    await Promise.all(held.splice(0).map((client) => client.end()));
  };
  try {
    // Others are quick to take again what they lost; the rounds are over when nobody has anything left.
    for (let round = 0; round < ROUNDS; round += 1) {
      await fill(url, held);
      if ((await othersEnded(held)) === 0) break;
    }
    return heal;
  } catch (error) {
    await heal();
    throw error;
  }
}

/** Connects until there is no connection left. */
async function fill(url: string, held: pg.Client[]): Promise<void> {
  for (let isFull = false; !isFull; ) {
    const tried = await Promise.allSettled(Array.from({ length: AT_ONCE }, () => connected(url)));
    for (const one of tried) {
      if (one.status === 'fulfilled') held.push(one.value);
      else if (isTooMany(one.reason)) isFull = true;
      else throw one.reason;
    }
  }
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

/** Ends everybody else's connections and tells how many there were. */
async function othersEnded([client]: readonly pg.Client[]): Promise<number> {
  if (client === undefined) throw new Error('there was not a single connection to hold');
  const { rowCount } = await client.query(
    `SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND application_name <> $1`,
    [NAME],
  );
  return rowCount ?? 0;
}

function isTooMany(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === TOO_MANY_CONNECTIONS;
}

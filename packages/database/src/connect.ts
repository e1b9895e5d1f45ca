import { Kysely, PostgresDialect, sql } from 'kysely';
import { PreparedClient } from './prepared-client.ts';
import type { Tables } from './schema.ts';
import { TellingClient, TellingPool } from './telling-client.ts';

/** A pool of connections, as Kysely uses it. */
export type Database = Kysely<Tables>;

/** How to reach Postgres. */
export interface DatabaseOptions {
  url: string;
  /** The name that shows in `pg_stat_activity`. */
  name: string;
  /** The most connections of this process. */
  connections: number;
  /** Whether statements are prepared; a pooler that shares connections between transactions may not allow it. */
  prepare: boolean;
  /** Milliseconds until waiting for a connection, or for a statement, fails. */
  timeoutMs: number;
  /** A connection broke. The pool makes a new one when it is needed. */
  onError(error: Error): void;
}

/**
 * Opens a pool. No connection is made until one is needed. What cannot be asked, or does not answer, is a
 * `DatabaseUnreachable`.
 */
export function connectDatabase(options: DatabaseOptions): Database {
  const pool = new TellingPool({
    connectionString: options.url,
    application_name: options.name,
    max: options.connections,
    connectionTimeoutMillis: options.timeoutMs,
    statement_timeout: options.timeoutMs,
    query_timeout: options.timeoutMs + 1_000,
    keepAlive: true,
    Client: options.prepare ? PreparedClient : TellingClient,
  });
  // Every connection tells for itself, in use or idle: one that breaks between two statements has nobody else to tell.
  pool.on('connect', (client) => client.on('error', options.onError));
  // What the pool repeats of its idle ones has been told.
  pool.on('error', () => undefined);
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** Whether the database answers. */
export async function pingDatabase(database: Database): Promise<void> {
  await sql`SELECT 1`.execute(database);
}

/** A database of its own, and commands of limited keys, for tests of limits. */
import type { CreateCommand, ScopeLimits } from '@tailrace/bus';
import { type Database, migrate, type Tables } from '@tailrace/database';
import { newId } from '@tailrace/protocol';
import { Sealer } from '@tailrace/registry';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { inject } from 'vitest';
import { makeDatabase } from '../../../../test/harness/database.ts';
import type { StoreContext } from '../../src/context.ts';

/** Every statement that the services' functions send is kept. */
export interface LimitedDatabase {
  url: string;
  database: Database;
  context: StoreContext;
  statements: string[];
  /** What the table holds. */
  rows<Row extends pg.QueryResultRow>(query: string): Promise<Row[]>;
  stop(): Promise<void>;
}

/** See the file's head. */
export async function limitedDatabase(): Promise<LimitedDatabase> {
  const url = await makeDatabase(inject('postgresUrl'));
  await migrate(url);
  const statements: string[] = [];
  const pool = new pg.Pool({ connectionString: url, max: 12 });
  const database = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool }),
    log: ({ query }) => {
      statements.push(query.sql);
    },
  });
  const retention = { storedMs: 60_000, unstoredMs: 60_000, analyticsMs: 60_000 };
  return {
    url,
    database,
    context: { database, sealer: new Sealer('no secret'), retention },
    statements,
    async rows<Row extends pg.QueryResultRow>(query: string) {
      return (await pool.query<Row>(query)).rows;
    },
    stop: () => database.destroy(),
  };
}

/** What limits a scope; nothing but what is given. */
export function scopeLimits(scope: string, limits: Partial<ScopeLimits> = {}): ScopeLimits {
  return { requestsPerMinute: null, tokensPerMinute: null, concurrency: null, ...limits, scope };
}

/** A command of the owner alice. */
export function createCommand(limits: ScopeLimits[], change: Partial<CreateCommand> = {}): CreateCommand {
  const now = Date.now();
  return {
    id: newId(now),
    owner: 'alice',
    request: {
      body: { model: 'demo', input: [{ type: 'message', role: 'user', content: 'Hello.' }] },
      server_tools: [],
      max_iterations: 10,
    },
    previousResponseId: null,
    conversationId: null,
    detached: false,
    bodyHash: null,
    keyName: 'alice',
    limits,
    createdAt: now,
    askedAt: now,
    waitMs: 60_000,
    replyTo: 'nobody',
    correlationId: '0'.repeat(32),
    ...change,
  };
}

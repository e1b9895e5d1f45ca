import { sql } from 'kysely';
import pg from 'pg';
import { describe, expect, inject, test } from 'vitest';
import { connectDatabase, DatabaseUnreachable, isDatabaseTrouble, pingDatabase } from '../src/index.ts';

describe('a connection that breaks', () => {
  test.each(['in use, between two statements', 'idle'])('%s: it is told, and the next one works', async (when) => {
    const broken = Promise.withResolvers<Error>();
    const url = inject('postgresUrl');
    const options = { url, name: 'connect-test', connections: 1, timeoutMs: 10_000, prepare: true };
    const database = connectDatabase({ ...options, onError: broken.resolve });
    const operator = new pg.Client({ connectionString: url });
    await operator.connect();
    try {
      await database.connection().execute(async (connection) => {
        const { rows } = await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(connection);
        const terminate = () => operator.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
        if (when === 'idle') return void setImmediate(terminate);
        await terminate();
        await broken.promise;
      });
      expect(await broken.promise).toBeInstanceOf(Error);
      await pingDatabase(database);
    } finally {
      await operator.end();
      await database.destroy();
    }
  });
});

describe('trouble', () => {
  const trouble = async (
    url: string,
    prepare: boolean,
    work: (database: ReturnType<typeof connectDatabase>) => Promise<unknown>,
  ) => {
    const options = { url, name: 'trouble-test', connections: 1, timeoutMs: 500, prepare };
    const database = connectDatabase({ ...options, onError: () => undefined });
    try {
      return await work(database).then(
        () => null,
        (error: unknown) => error,
      );
    } finally {
      await database.destroy();
    }
  };

  test.each([true, false])('is a server that is not there, prepared: %s', async (prepare) => {
    const error = await trouble('postgresql://nobody@127.0.0.1:1/none', prepare, pingDatabase);
    expect(error).toBeInstanceOf(DatabaseUnreachable);
    expect(isDatabaseTrouble(error)).toBe(true);
  });

  test.each([true, false])('is a connection that goes with its statement, prepared: %s', async (prepare) => {
    const error = await trouble(inject('postgresUrl'), prepare, (database) =>
      sql`SELECT pg_terminate_backend(pg_backend_pid()), ${1}::int`.execute(database),
    );
    expect(isDatabaseTrouble(error)).toBe(true);
  });

  test.each([true, false])('is a pool that has no connection left, prepared: %s', async (prepare) => {
    const error = await trouble(inject('postgresUrl'), prepare, (database) =>
      database.connection().execute(() => pingDatabase(database)),
    );
    expect(error).toBeInstanceOf(DatabaseUnreachable);
  });

  test('is no statement that is wrong, and nothing that is not the database', async () => {
    const error = await trouble(inject('postgresUrl'), true, (database) => sql`SELECT 1 / ${0}::int`.execute(database));
    expect(isDatabaseTrouble(error)).toBe(false);
    expect(isDatabaseTrouble(new Error('The connection is terminated'))).toBe(false);
  });
});

describe('statements', () => {
  test.each([true, false])('prepared on their connection: %s', async (prepare) => {
    const url = inject('postgresUrl');
    const options = { url, name: 'prepare-test', connections: 1, timeoutMs: 10_000, prepare };
    const database = connectDatabase({ ...options, onError: () => undefined });
    for (const value of [1, 2]) {
      expect((await sql<{ value: number }>`SELECT ${value}::int AS value`.execute(database)).rows).toEqual([{ value }]);
    }
    const { rows } = await sql`SELECT statement FROM pg_prepared_statements`.execute(database);
    expect(rows).toEqual(prepare ? [{ statement: 'SELECT $1::int AS value' }] : []);
    await database.destroy();
  });
});

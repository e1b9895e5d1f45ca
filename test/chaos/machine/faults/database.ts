import pg from 'pg';

const CONNECT_MS = 5_000;
const STATEMENT_MS = 10_000;

/** Runs something on a connection of its own. @throws whatever it throws, and when there is no connection within 5 s. */
export async function withDatabase<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'chaos',
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS,
  });
  // A connection that breaks is told by the query that needs it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

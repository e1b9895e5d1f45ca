import pg from 'pg';

/** SQLSTATE classes of errors that lie in what was sent, and not in the server: data, integrity, syntax. */
const DATA_CLASSES = new Set(['22', '23', '42']);

/** Whether a statement failed for what it said, so that it would fail again. */
export function isDataError(error: unknown): boolean {
  return error instanceof pg.DatabaseError && DATA_CLASSES.has((error.code ?? '').slice(0, 2));
}

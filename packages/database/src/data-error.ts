import pg from 'pg';

/** SQLSTATE classes of errors that lie in what was sent, and not in the server: data, integrity, syntax. */
const DATA_CLASSES = new Set(['22', '23', '42']);

/** SQLSTATE classes of errors that lie in the server, its connections, or in who else is at work: it may be well again soon. */
const PASSING_CLASSES = new Set(['08', '25', '28', '3D', '40', '53', '55', '57', '58']);

/** The database could not be asked, or did not answer in time: what the driver tells without a code of the server. */
export class DatabaseUnreachable extends Error {
  constructor(cause: unknown) {
    super('the database cannot be reached, or has not answered', { cause });
    this.name = 'DatabaseUnreachable';
  }
}

/** Whether the database, and not what it was asked, is why a statement failed: it may be done when it is asked again. */
export function isDatabaseTrouble(error: unknown): boolean {
  if (error instanceof DatabaseUnreachable) return true;
  return error instanceof pg.DatabaseError && PASSING_CLASSES.has((error.code ?? '').slice(0, 2));
}

/** Whether a statement failed for what it said, so that it would fail again. */
export function isDataError(error: unknown): boolean {
  return error instanceof pg.DatabaseError && DATA_CLASSES.has((error.code ?? '').slice(0, 2));
}

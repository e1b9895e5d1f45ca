/** Postgres: the tables, how to reach them, and how a chain is read. */
export {
  ancestorsQuery,
  chainQuery,
  loadChain,
  loadResponse,
  loadTurns,
  responseQuery,
  type StoredResponse,
} from './chains.ts';
export { connectDatabase, type Database, type DatabaseOptions, pingDatabase } from './connect.ts';
export { migrate } from './migrate.ts';
export { outcomeColumns, recordColumns, stepRow, toRecord, toStep } from './rows.ts';
export type { Tables } from './schema.ts';

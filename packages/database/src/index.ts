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
export {
  type Conversation,
  type ConversationItem,
  findConversationItems,
  findItemOrigins,
  loadConversation,
  loadConversationItem,
  loadConversationItems,
} from './conversations.ts';
export { isDataError } from './data-error.ts';
export { loadHistory, type Rooted } from './history.ts';
export { migrate } from './migrate.ts';
export { resolveReferences } from './references.ts';
export { DATABASE_TIME, databaseTimeIn, outcomeColumns, recordColumns, stepRow, toRecord, toStep } from './rows.ts';
export type { Tables } from './schema.ts';

/** Postgres: the tables, how to reach them, and how a chain is read. */
export {
  DIMENSIONS,
  type Dimension,
  type Grouping,
  type GroupPlace,
  type Selection,
  type Slice,
} from './analytics/calls.ts';
export { type LatencyRow, latenciesQuery, type Percentiles, readLatencies } from './analytics/latencies.ts';
export {
  readTimeline,
  stepCallsQuery,
  type Timeline,
  type TimelineStep,
  timelineStepsQuery,
} from './analytics/timeline.ts';
export { readUsage, type UsageRow, usageQuery } from './analytics/usage.ts';
export {
  ancestorsQuery,
  chainQuery,
  findGap,
  type LoadedResponse,
  loadChain,
  loadResponse,
  loadTurns,
  NOBODY,
  neededByLive,
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
export { DatabaseUnreachable, isDatabaseTrouble, isDataError } from './data-error.ts';
export { loadHistory, type Rooted } from './history.ts';
export { migrate } from './migrate.ts';
export { resolveReferences } from './references.ts';
export {
  type RegistryState,
  readGroups,
  readKeys,
  readModels,
  readRegistry,
  readTools,
  readWebhooks,
  type Stored,
  type Which,
} from './registry.ts';
export { DATABASE_TIME, databaseTimeIn, outcomeColumns, recordColumns, stepRow, toRecord, toStep } from './rows.ts';
export type { HttpAnalyticsTable, Tables, ToolCallAnalyticsTable } from './schema.ts';

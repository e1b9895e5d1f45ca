/** The registry: what may be used, by whom, and where it is. Rows in Postgres, seen by every service as one snapshot. */
export { type AdminChange, type AdminCommand, ForeignCommand, openCommand, sealCommand } from './admin.ts';
export { type RegistryWatch, watchRegistry } from './bucket.ts';
export { openCompaction, sealCompaction } from './compaction.ts';
export {
  type Configured,
  parseRegistryConfig,
  type RegistryConfig,
  RegistryConfigError,
  readRegistryConfig,
} from './config.ts';
export {
  ENTRIES,
  type Entry,
  FAILOVER_STATUSES,
  HIDDEN,
  type KeyChange,
  keyChange,
  type LimitsEntry,
  RETRYABLE_STATUSES,
  SECTIONS,
  type Section,
} from './entries.ts';
export { type PublicationOptions, publishRegistry, type RegistryPublication } from './publication.ts';
export { resolveEnvironment, UnsetVariable } from './references.ts';
export { type Sealed, Sealer, UnsealError } from './seal.ts';
export {
  type ApprovalPolicy,
  hashKey,
  type RegisteredAgentTool,
  type RegisteredGroup,
  type RegisteredHttpTool,
  type RegisteredKey,
  type RegisteredMcpTool,
  type RegisteredModel,
  type RegisteredTool,
  type RegisteredUpstream,
  type RegisteredWebhook,
  type RegistrySnapshot,
  RegistryView,
  type TokenPrice,
  type UpstreamTimeouts,
  type UsageLimits,
} from './snapshot.ts';
export { isStorable } from './storable.ts';

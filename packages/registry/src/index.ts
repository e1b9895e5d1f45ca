/** The registry: what may be used, by whom, and where it is. Rows in Postgres, seen by every service as one snapshot. */
export { publishRegistry, type RegistryWatch, watchRegistry } from './bucket.ts';
export { openCompaction, sealCompaction } from './compaction.ts';
export { type RegistryConfig, RegistryConfigError, readRegistryConfig } from './config.ts';
export { type Sealed, Sealer, UnsealError } from './seal.ts';
export {
  hashKey,
  type RegisteredKey,
  type RegisteredModel,
  type RegisteredTool,
  type RegisteredUpstream,
  type RegistrySnapshot,
  RegistryView,
} from './snapshot.ts';

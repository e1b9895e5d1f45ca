/** Judges a run by what its clients saw and what it left behind, with no code of the services. */
export { type CheckLimits, check, DEFAULT_LIMITS } from './check.ts';
export type { MemoryBound } from './check-memory.ts';
export type { AnalyticsRow, Evidence, LogMessage, ResponseEvidence, ResponseRow, StepRow } from './evidence.ts';
export { type EvidenceSource, gather } from './gather.ts';
export type { Invariant, Violation } from './violation.ts';

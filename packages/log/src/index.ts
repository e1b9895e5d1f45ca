/** The log of a response: its wire format, the fenced writers, the stored prefix, and the live tail. */
export { append, Fenced, type LogTarget } from './append.ts';
export { type LogEnd, readEnd, readLeaderEnd } from './end.ts';
export { decodeFrames, dropFrames, encodeFrame, encodeFrames } from './frame.ts';
export { beginsAnew, CLOSING_ATTEMPT, EMPTY_LOG, type LogMeta, positionAfter, type Seal } from './message.ts';
export { dropLogPayloads, type LazyLogMessage, type LogMessage, LogReadBroken, readLog, readMetas } from './read.ts';
export { LogShares, type StepShare } from './shares.ts';
export type { StepEvent } from './step-event.ts';
export { type Follower, TailHub, type TailHubOptions } from './tail.ts';
export { LogWriter, type LogWriterOptions } from './writer.ts';

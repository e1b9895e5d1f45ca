/** What a run leaves behind, as data: enough to judge it later, elsewhere, and without the services. */
export type { Call, Ending } from './call.ts';
export type { ClientAttach, ClientFrame, ClientView } from './client-view.ts';
export type { FaultRecord } from './fault-record.ts';
export type { MemorySample } from './memory-sample.ts';
export type { CreateAttempt, ForeignAttempt, Poll, ResponseRecord, ResponseRequest } from './response-record.ts';
export type { RunRecord } from './run-record.ts';

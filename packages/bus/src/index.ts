/** NATS: subjects, streams, the messages between services, and the queues they travel in. */
export { checkAccepting } from './accepting.ts';
export { BlobExpired, type BlobRef, BlobStore, type Pieces } from './blob.ts';
export type { BusLog } from './bus-log.ts';
export type { CallMark, CallNote, CallTarget, ToolCallMeasure, UpstreamCall } from './calls.ts';
export type {
  Asked,
  AskedCommand,
  Asking,
  ConversationChange,
  ConversationCommand,
  CreateCommand,
  RedriveCommand,
  Reply,
  ResponseCommand,
  Waiting,
  WithdrawCommand,
} from './commands.ts';
export { type Bus, type BusOptions, connectBus } from './connection.ts';
export { QueueConsumer, type QueueConsumerOptions, QueueTrouble, StaleDelivery } from './consumer.ts';
export { contested } from './contested.ts';
export { type Desk, type DeskOptions, openDesk } from './desk.ts';
export { type BusEnvironment, joinBus } from './join.ts';
export { jsonPieces } from './json-pieces.ts';
export {
  type AdmitAnswer,
  type AdmitQuestion,
  LimitReached,
  type LimitRefusal,
  type RateLimit,
  type RateState,
  type Release,
  type ScopeLimits,
} from './limits.ts';
export { decodeMessage, encodeMessage, encodePayload, MalformedMessage } from './messages.ts';
export { type Done, OrchestratorClient, type OrchestratorClientOptions } from './orchestrator-client.ts';
export { dropPayload, Parcel, payloadOf, payloadPieces, publishPayload, publishUntilStored } from './payload.ts';
export { type Growth, PayloadRoom } from './payload-room.ts';
export { AckedPublisher, PublishRejected, PublishUncertain, type StoredAck } from './publisher.ts';
export { QueueMessage } from './queue-message.ts';
export {
  decodeRelay,
  encodeRelay,
  parseRelaySubject,
  type RelayAnswer,
  type RelayBegin,
  type RelayFailure,
  type RelayHead,
  type RelayKind,
  type RelayPlace,
  type RelayWord,
  relaySubject,
} from './relay.ts';
export type { RelayEndpoint, RelayWork } from './relay-work.ts';
export { isSilence } from './silence.ts';
export { ensureStreams, replicasFor, StreamMismatch, type StreamOptions } from './streams.ts';
export {
  ADMIN_SUBJECT,
  ADMIT_SUBJECT,
  attachedSubject,
  CALLS_STREAM,
  CHAIN_STREAM,
  callSubject,
  cancelledSubject,
  chainDurable,
  chainSubject,
  DEAD_STREAM,
  DEAD_SUBJECT,
  logStream,
  logSubject,
  type Partition,
  partitionOf,
  RELEASE_SUBJECT,
  REQUESTED_MCP,
  STEP_SUBJECT,
  subjectOf,
  tailSubject,
  token,
  WORK_STREAM,
  type WorkSource,
  workDurable,
  workFilter,
  workSourceOf,
  workSubject,
} from './subjects.ts';
export { type Listening, subscribe } from './subscribe.ts';
export { hasGivenUp, isWaitedFor, LEAST_WAIT_MS } from './waiting.ts';
export type {
  AgentPlace,
  LogPosition,
  MaxDeliveriesAdvisory,
  ModelWork,
  ResultCommand,
  StepAnswer,
  StepQuestion,
  StepWork,
  ToolWork,
  Work,
} from './work.ts';
export { STEP_HOLD_MS } from './work.ts';

/** NATS: subjects, streams, the messages between services, and the queues they travel in. */
export { attemptOf, isOfLaterMessage, nextMessageAttempt } from './attempt.ts';
export { BlobStore } from './blob.ts';
export { type Bus, type BusOptions, connectBus } from './connection.ts';
export { QueueConsumer, type QueueConsumerOptions, QueueTrouble, StaleDelivery } from './consumer.ts';
export { type BusEnvironment, joinBus } from './join.ts';
export {
  type Asked,
  type AskedCommand,
  type ConversationChange,
  type ConversationCommand,
  type CreateCommand,
  decodeMessage,
  encodeMessage,
  type LogPosition,
  MalformedMessage,
  type MaxDeliveriesAdvisory,
  type ModelWork,
  type RedriveCommand,
  type Reply,
  type ResponseCommand,
  type ResultCommand,
  type StepAnswer,
  type StepQuestion,
  type ToolCallMeasure,
  type ToolWork,
  type UpstreamCall,
  type Work,
} from './messages.ts';
export { type Done, OrchestratorClient, type OrchestratorClientOptions } from './orchestrator-client.ts';
export { BlobExpired, dropPayload, payloadOf, publishPayload, publishUntilStored } from './payload.ts';
export { AckedPublisher, PublishRejected, PublishUncertain, type StoredAck } from './publisher.ts';
export type { QueueMessage } from './queue-message.ts';
export { ensureStreams, replicasFor, StreamMismatch, type StreamOptions } from './streams.ts';
export {
  attachedSubject,
  CHAIN_STREAM,
  cancelledSubject,
  chainSubject,
  DEAD_STREAM,
  DEAD_SUBJECT,
  logStream,
  logSubject,
  type Partition,
  partitionOf,
  STEP_SUBJECT,
  subjectOf,
  tailSubject,
  token,
  WORK_STREAM,
  type WorkSource,
  workDurable,
  workFilter,
  workSubject,
} from './subjects.ts';

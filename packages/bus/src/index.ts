/** NATS: subjects, streams, the messages between services, and the queues they travel in. */
export { checkAccepting } from './accepting.ts';
export { BlobExpired, BlobStore } from './blob.ts';
export { type Bus, type BusOptions, connectBus } from './connection.ts';
export { QueueConsumer, type QueueConsumerOptions, QueueTrouble, StaleDelivery } from './consumer.ts';
export { contested } from './contested.ts';
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
export { dropPayload, payloadOf, payloadPieces, publishPayload, publishUntilStored } from './payload.ts';
export { AckedPublisher, PublishRejected, PublishUncertain, type StoredAck } from './publisher.ts';
export { QueueMessage } from './queue-message.ts';
export { ensureStreams, replicasFor, StreamMismatch, type StreamOptions } from './streams.ts';
export {
  attachedSubject,
  CHAIN_STREAM,
  cancelledSubject,
  chainDurable,
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
export { isWaitedFor } from './waiting.ts';

import type { ResponseId } from '@tailrace/protocol';

/** Which share of the responses a message belongs to; the count is fixed at install. */
export type Partition = number;

/** The class of service of a piece of work. */
export type Lane = 'default' | 'flex';

/** A name as one subject token: letters, digits, `-` and `_` stay, every other byte becomes `=XX`. */
export function token(name: string): string {
  return Buffer.from(name, 'utf8')
    .toString('latin1')
    .replace(/[^A-Za-z0-9_-]/g, (byte) => `=${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** The partition of a response: taken from the last digits of its id, which are random. */
export function partitionOf(id: ResponseId, partitions: number): Partition {
  return Number.parseInt(id.slice(-8), 16) % partitions;
}

/** The subjects of a response's log, and of what is republished from it. */
export const logSubject = (partition: Partition, id: ResponseId): string => `tr.log.${partition}.${id}`;
export const tailSubject = (partition: Partition, id: ResponseId): string => `tr.tail.${partition}.${id}`;
export const logStream = (partition: Partition): string => `TR_LOG_${partition}`;

export const CHAIN_STREAM = 'TR_CHAIN';
/** The consumer that the orchestrators share. */
export const chainDurable = (partition: Partition): string => `chain-${partition}`;
export const WORK_STREAM = 'TR_WORK';
/** What the server tells of work that was delivered as often as is allowed. */
export const DEAD_STREAM = 'TR_DEAD';
export const DEAD_SUBJECT = `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${WORK_STREAM}.*`;

/** A message to the orchestrator. */
export type ChainMessageKind = 'create' | 'result' | 'cancel' | 'delete' | 'conversation' | 'redrive';
export const chainSubject = (partition: Partition, kind: ChainMessageKind): string => `tr.chain.${partition}.${kind}`;

/** Core NATS, unstored: a response has been cancelled; whoever works on it stops. */
export const cancelledSubject = (id: ResponseId): string => `tr.ctl.cancel.${id}`;
/** Core NATS, request and reply: asked by a gateway whose clients of a response have gone; one that has a client of it answers. */
export const attachedSubject = (id: ResponseId): string => `tr.ctl.attached.${id}`;
/** Core NATS, request and reply: where does this step stand? */
export const STEP_SUBJECT = 'tr.ask.step';
/** The response that a subject of `tr.ctl.*` is about. */
export const subjectOf = (control: string): ResponseId => control.slice(control.lastIndexOf('.') + 1);

/** What a worker works on: a registered model, or a registered source of tools. */
export interface WorkSource {
  kind: 'model' | 'tool';
  name: string;
}
export const workSubject = (source: WorkSource, lane: Lane): string =>
  `tr.work.${source.kind}.${lane}.${token(source.name)}`;
export const workFilter = (source: WorkSource): string => `tr.work.${source.kind}.*.${token(source.name)}`;
export const workDurable = (source: WorkSource): string => `${source.kind}-${token(source.name)}`;

import type { ResponseId, StepId } from '@tailrace/protocol';

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

/** The name that {@link token} has made a token of. */
function nameOf(token: string): string {
  const bytes = token.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
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
export type ChainMessageKind = 'create' | 'withdraw' | 'result' | 'cancel' | 'delete' | 'conversation' | 'redrive';
export const chainSubject = (partition: Partition, kind: ChainMessageKind): string => `tr.chain.${partition}.${kind}`;

/** Notes of calls that are about to be made, until it is known that they are booked. */
export const CALLS_STREAM = 'TR_CALLS';
export const callSubject = (kind: 'model' | 'tool'): string => `tr.calls.${kind}`;

/** Core NATS, unstored: a response, or a step, is being cancelled; whoever works on it stops. */
export const cancelledSubject = (id: ResponseId | StepId): string => `tr.ctl.cancel.${id}`;
/** Core NATS, request and reply: asked by a gateway whose clients of a response have gone; one that has a client of it answers. */
export const attachedSubject = (id: ResponseId): string => `tr.ctl.attached.${id}`;
/** Core NATS, request and reply: where does this step stand? */
export const STEP_SUBJECT = 'tr.ask.step';
/** Core NATS, request and reply: may a call begin that is no response? */
export const ADMIT_SUBJECT = 'tr.ask.admit';
/** Core NATS, unstored: such a call is over. */
export const RELEASE_SUBJECT = 'tr.ctl.release';
/** Core NATS, request and reply: a change of the registry, sealed. */
export const ADMIN_SUBJECT = 'tr.admin.change';
/** The response, or the step, that a subject of `tr.ctl.*` is about. */
export const subjectOf = (control: string): ResponseId | StepId => control.slice(control.lastIndexOf('.') + 1);

/** What a worker works on: a registered model, a registered source of tools, or all MCP servers that requests name. */
export type WorkSource = { kind: 'model' | 'tool'; name: string } | typeof REQUESTED_MCP;
/** One queue for all of them: clients can name as many as they like. */
export const REQUESTED_MCP = { kind: 'mcp', name: 'requested' } as const;
export const workSubject = (source: WorkSource, lane: Lane): string =>
  `tr.work.${source.kind}.${lane}.${token(source.name)}`;
/** The source of the work on a subject; undefined for one that {@link workSubject} makes of none. */
export function workSourceOf(subject: string): WorkSource | undefined {
  const [, , kind, , last, ...more] = subject.split('.');
  if (last === undefined || more.length > 0) return undefined;
  const name = nameOf(last);
  if (kind === 'model' || kind === 'tool') return { kind, name };
  return kind === REQUESTED_MCP.kind && name === REQUESTED_MCP.name ? REQUESTED_MCP : undefined;
}
export const workFilter = (source: WorkSource): string => `tr.work.${source.kind}.*.${token(source.name)}`;
export const workDurable = (source: WorkSource): string => `${source.kind}-${token(source.name)}`;

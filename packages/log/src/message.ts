/** The headers of a log message, and their one codec. */
import { headers, type MsgHdrs } from '@nats-io/nats-core';
import type { BlobRef, LogPosition } from '@tailrace/bus';
import type { ResponseStatus, StepId } from '@tailrace/protocol';

/** What a step came to, or where that is kept when it does not fit into a header. */
export type Seal = string | BlobRef;

/** What a log message says of itself beside its frames. */
export interface LogMeta {
  /** The number of its first event; of a message without events, the number that the next event will have. */
  first: number;
  /** The number of its last event; `first - 1` when it has none. */
  last: number;
  /** How many journal entries of the chain the log holds, this message included. */
  cursor: number;
  /** Names one writer: a process's work on one step, or an orchestrator's one projection. */
  writer: string;
  /** The model step and attempt that wrote it; null for the orchestrator's own. */
  step: { id: StepId; attempt: number } | null;
  /** On a model step's last message, what the step came to beside its events; nobody runs it again. */
  seal: Seal | null;
  /** On the last message the status in which the response ended. */
  ended: ResponseStatus | null;
}

/** The attempt of a message that takes a log away from a step for good: no attempt of a worker is later. */
export const CLOSING_ATTEMPT = 1_000_000;

const FIRST = 'Tr-First';
const LAST = 'Tr-Last';
const CURSOR = 'Tr-Cursor';
const WRITER = 'Tr-Writer';
const STEP = 'Tr-Step';
const ATTEMPT = 'Tr-Attempt';
const SEAL = 'Tr-Seal';
const SEAL_BLOB = 'Tr-Seal-Blob';
const ENDED = 'Tr-Ended';
const EXPECTED = 'Nats-Expected-Last-Subject-Sequence';

/** The headers of a message that may only follow the message with stream sequence `after`. */
export function encodeMeta(meta: LogMeta, after: number): MsgHdrs {
  const result = headers();
  result.set(EXPECTED, String(after));
  result.set(FIRST, String(meta.first));
  result.set(LAST, String(meta.last));
  result.set(CURSOR, String(meta.cursor));
  result.set(WRITER, meta.writer);
  if (meta.step) {
    result.set(STEP, meta.step.id);
    result.set(ATTEMPT, String(meta.step.attempt));
  }
  if (typeof meta.seal === 'string') result.set(SEAL, Buffer.from(meta.seal).toString('base64'));
  else if (meta.seal !== null) result.set(SEAL_BLOB, meta.seal.blob);
  if (meta.ended) result.set(ENDED, meta.ended);
  return result;
}

/** The inverse of {@link encodeMeta}. */
export function decodeMeta(from: MsgHdrs | undefined): LogMeta {
  const number = (name: string) => Number(from?.get(name) ?? Number.NaN);
  const meta: LogMeta = {
    first: number(FIRST),
    last: number(LAST),
    cursor: number(CURSOR),
    writer: from?.get(WRITER) ?? '',
    step: from?.has(STEP) ? { id: from.get(STEP), attempt: number(ATTEMPT) } : null,
    seal: decodeSeal(from),
    ended: from?.has(ENDED) ? (from.get(ENDED) as ResponseStatus) : null,
  };
  if (![meta.first, meta.last, meta.cursor].every(Number.isInteger)) throw new Error('not a log message');
  return meta;
}

function decodeSeal(from: MsgHdrs | undefined): Seal | null {
  if (from?.has(SEAL)) return Buffer.from(from.get(SEAL), 'base64').toString();
  return from?.has(SEAL_BLOB) ? { blob: from.get(SEAL_BLOB) } : null;
}

/** The position after a message with this metadata, stored at `streamSeq`. */
export function positionAfter(meta: LogMeta, streamSeq: number): LogPosition {
  return { streamSeq, nextEvent: meta.last + 1, cursor: meta.cursor };
}

/**
 * Whether a log begins anew with a message, where it ended at `at`: what stands before has been given up, because JetStream
 * has lost some of it. The numbers go on beyond all that anybody can have seen.
 */
export function beginsAnew(meta: LogMeta, at: LogPosition): boolean {
  return meta.first !== at.nextEvent;
}

/** The position of a log without messages. */
export const EMPTY_LOG: LogPosition = { streamSeq: 0, nextEvent: 0, cursor: 0 };

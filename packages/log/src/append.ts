/**
 * The fenced append: a message is stored directly after the one its writer knows to be last, or not at all (I1).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Bus,
  logSubject,
  Parcel,
  type Partition,
  type Pieces,
  PublishRejected,
  PublishUncertain,
} from '@tailrace/bus';
import type { ResponseId } from '@tailrace/protocol';
import { readEnd } from './end.ts';
import { encodeMeta, type LogMeta } from './message.ts';

/** Somebody else has appended since: this writer is out, or must look again. */
export class Fenced extends Error {
  /** The message that shuts the writer out, where it is known. */
  readonly by: LogMeta | null;

  constructor(id: ResponseId, by: LogMeta | null = null) {
    super(`the log of ${id} has moved on`);
    this.name = 'Fenced';
    this.by = by;
  }
}

/** JetStream's codes for "wrong last sequence". */
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
/** Larger messages travel beside the log, so that nobody who reads it has to hold one as a whole. */
export const INLINE_BYTES = 80 * 1024;
const RETRY_MS = { first: 50, most: 2_000 };

/** A log as one process writes it. */
export interface LogTarget {
  bus: Bus;
  partition: Partition;
  id: ResponseId;
}

/**
 * Appends one message after stream sequence `after` and resolves with its own. While JetStream cannot be reached or has
 * no room it goes on trying, until `signal` is aborted; a message whose acknowledgement was lost is recognised as its own.
 * @throws Fenced
 */
export async function append(
  target: LogTarget,
  after: number,
  meta: LogMeta,
  bytes: Uint8Array | Pieces,
  signal: AbortSignal,
): Promise<number> {
  const parcel = new Parcel(target.bus, logSubject(target.partition, target.id), bytes);
  let uncertain = false;
  for (let wait = RETRY_MS.first; ; wait = Math.min(wait * 2, RETRY_MS.most)) {
    try {
      return (await parcel.publish(encodeMeta(meta, after), INLINE_BYTES)).seq;
    } catch (error) {
      if (error instanceof PublishRejected && WRONG_LAST_SEQUENCE.has(error.errCode)) {
        const own = uncertain ? await ownMessage(target, meta) : undefined;
        if (own !== undefined) return own;
        throw new Fenced(target.id);
      }
      if (!(error instanceof PublishRejected) && !(error instanceof PublishUncertain)) throw error;
      uncertain ||= error instanceof PublishUncertain;
    }
    await sleep(wait, undefined, { signal });
  }
}

async function ownMessage(target: LogTarget, meta: LogMeta): Promise<number | undefined> {
  const end = await readEnd(target);
  if (end?.meta.writer !== meta.writer || end.meta.first !== meta.first || end.meta.last !== meta.last)
    return undefined;
  return end.streamSeq;
}

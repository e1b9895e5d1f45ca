/** What others have appended since a writer of a shared log last looked. */
import { setTimeout as sleep } from 'node:timers/promises';
import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import { NoRespondersError, RequestError, TimeoutError } from '@nats-io/nats-core';
import { logStream, logSubject } from '@tailrace/bus';
import { Fenced, type LogTarget } from './append.ts';
import { readLeaderEnd } from './end.ts';
import { decodeMeta, type LogMeta } from './message.ts';
import { LogReadBroken, readMetas } from './read.ts';

/** A message of a log, without its frames. */
export interface Newcomer {
  streamSeq: number;
  meta: LogMeta;
}

/** The messages that are asked for one by one; a consumer is made for those beyond. */
const SINGLE = 8;
const RETRY_MS = { first: 20, most: 1_000 };

/**
 * The messages after stream sequence `after`, in their order; none when the log still ends there. While JetStream cannot be
 * asked, or answers from a copy that lags behind, it goes on trying, until `signal` is aborted.
 * @throws Fenced when the log is gone, or another one that is shorter.
 */
export async function newcomers(target: LogTarget, after: number, signal: AbortSignal): Promise<Newcomer[]> {
  for (let wait = RETRY_MS.first; ; wait = Math.min(wait * 2, RETRY_MS.most)) {
    try {
      const found = await look(target, after);
      if (found.length > 0 || !(await isBehind(target, after))) return found;
    } catch (error) {
      if (!isUnreachable(error)) throw error;
    }
    await sleep(wait, undefined, { signal });
  }
}

async function look(target: LogTarget, after: number): Promise<Newcomer[]> {
  const { bus, partition, id } = target;
  const found: Newcomer[] = [];
  let at = after;
  while (found.length < SINGLE) {
    const query = { seq: at + 1, next_by_subj: logSubject(partition, id) };
    const message = await bus.jsm.direct.getMessage(logStream(partition), query);
    if (!message) return found;
    at = message.seq;
    found.push({ streamSeq: at, meta: decodeMeta(message.header) });
  }
  for await (const message of readMetas(target, at)) found.push(message);
  return found;
}

/**
 * Whether the copy that was asked lacks what the stream's leader has.
 * @throws Fenced when there is nothing that it could lack.
 */
async function isBehind(target: LogTarget, after: number): Promise<boolean> {
  const last = await readLeaderEnd(target);
  if (!last || last.streamSeq < after) throw new Fenced(target.id);
  return last.streamSeq > after;
}

function isUnreachable(error: unknown): boolean {
  return (
    error instanceof NoRespondersError ||
    error instanceof RequestError ||
    error instanceof TimeoutError ||
    error instanceof JetStreamApiError ||
    error instanceof JetStreamError ||
    error instanceof LogReadBroken
  );
}

import { setTimeout as sleep } from 'node:timers/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import { isSilence } from './silence.ts';

/** How often something is tried. Each try takes as long as a request may (`NATS_TIMEOUT_MS`), and the pause before the next. */
const ATTEMPTS = 10;
const PAUSE_MS = { first: 50, most: 500 };

/**
 * JetStream's codes for "no suitable peers for placement": members of the cluster are not known yet; for "stream not
 * found": what one member has just made, another may not have heard of; and for "stream name in use" and "subjects
 * overlap": of those who make the same stream at once, all but one may be told so before it can be seen.
 */
const NOT_YET = new Set([10_005, 10_058, 10_059, 10_065]);

/**
 * Makes or changes something of JetStream's (a stream, a bucket, a consumer) that others may be making or changing at this
 * moment, or that nobody leads yet: a cluster answers only one of those who ask for the same at once, and answers nothing
 * while it looks for a leader. Whoever heard nothing asks again; by then it may be as it should be, so `task` looks first.
 *
 * @throws the last error, when it has been tried ten times; at once whatever will not pass by itself.
 */
export async function contested<T>(task: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await task();
    } catch (error) {
      if (!isTemporary(error) || attempt === ATTEMPTS) throw error;
    }
    // With jitter, so that those who came at once do not come back at once.
    await sleep(Math.min(PAUSE_MS.most, PAUSE_MS.first * 2 ** attempt) * (0.5 + Math.random()));
  }
}

function isTemporary(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status >= 500 || NOT_YET.has(error.code);
  return isSilence(error);
}

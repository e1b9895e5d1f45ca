/** A log that was lost begins anew beyond all that anybody has seen of it (I1); nothing is told twice under one number (I4). */
import type { FaultRecord } from '../record/index.ts';
import { recordedAt } from './recorded-at.ts';
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/** A log as it is now, none of whose messages is from before the last loss. */
interface BegunAnew {
  loss: FaultRecord;
  /** When its first message was stored. Milliseconds since the epoch. */
  at: number;
  /** The number of its first event. */
  first: number;
}

/** Undefined where no log was lost, or nothing has been written since, or something older is left of it. */
function begunAnew({ losses, evidence }: Pick<Subject, 'losses' | 'evidence'>): BegunAnew | undefined {
  const loss = losses.toSorted((a, b) => a.from - b.from).at(-1);
  const [message] = evidence.log;
  if (!loss || !message || message.at < loss.from) return undefined;
  return { loss, at: message.at, first: message.first };
}

/** Whether a log that begins anew goes on from numbers that a client had seen before it was lost. */
export function checkBegunAnew(subject: Subject): Finding[] {
  const begun = begunAnew(subject);
  if (!begun) return [];
  const { loss, first } = begun;
  const before = subject.views.flatMap(({ frames }) => frames.filter(({ at }) => at < loss.from));
  const most = before.reduce((max, { number }) => Math.max(max, number), -1);
  if (first > most) return [];
  const what = `the log that was lost begins anew with ${first}, and a client had seen ${most} before`;
  return [{ invariant: 'I1', what }];
}

/**
 * Whether a response was not at its end when its log began anew after the last loss: then nothing of it was ever projected
 * from the chain alone, which numbers events from 0 on, and every number is of one event. By the times of commits, since
 * services' clocks may be wrong.
 */
export function wasLive(subject: Pick<Subject, 'losses' | 'evidence'>): boolean {
  const begun = begunAnew(subject);
  if (!begun) return false;
  const { evidence } = subject;
  return evidence.steps.some((step) => (recordedAt(step, evidence) ?? Number.POSITIVE_INFINITY) > begun.at);
}

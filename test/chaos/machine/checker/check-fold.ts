/** I3: what the events add up to is what the server says, in the last event and when it is asked. */
import { isDeepStrictEqual } from 'node:util';
import { fold, type Resource, Unfoldable } from './fold.ts';
import { eventIn, type Frame, isTerminal } from './frame.ts';
import { wholeOf } from './since-jump.ts';
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/** Folds the log and every client's whole view. Only for streams that are sound, and the same everywhere. */
export function checkFolds(subject: Subject): Finding[] {
  const { logFrames, views } = subject;
  const findings: Finding[] = [];
  const judge = (name: string, frames: readonly Frame[]) => {
    const what = brokenFold(subject, frames);
    if (what !== undefined) findings.push({ invariant: 'I3', what: `${name}: ${what}` });
  };
  judge('the log', logFrames);
  for (const { name, frames } of views) {
    if (!equal(frames, logFrames)) judge(name, frames);
  }
  return findings;
}

function equal(frames: readonly Frame[], others: readonly Frame[]): boolean {
  return frames.length === others.length && frames.every(({ text }, index) => text === others[index]?.text);
}

function brokenFold(subject: Subject, frames: readonly Frame[]): string | undefined {
  const { record, evidence } = subject;
  const last = frames.at(-1);
  if (!last || !isTerminal(last)) return undefined;
  const said = eventIn(last).response as Resource;
  const { row } = evidence;
  if (row && said.status !== row.status) return `it ends as ${String(said.status)}, the row says ${row.status}`;
  const poll = record.polls.findLast(
    ({ at, status, body }) =>
      status === 200 &&
      at >= (row?.endedAt ?? last.at) &&
      (body as { status?: unknown }).status !== 'in_progress' &&
      (body as { status?: unknown }).status !== 'queued',
  );
  if (poll && !isDeepStrictEqual(poll.body, said)) {
    return `GET says otherwise than the last event, ${difference(poll.body, said)}`;
  }
  const whole = wholeOf(subject, frames);
  // Who began in the middle, or was there when a log was lost, has too little to fold.
  if (whole?.[0]?.type !== 'response.created') return undefined;
  try {
    const folded = fold(whole.map(eventIn));
    return isDeepStrictEqual(folded, said)
      ? undefined
      : `the events add up to something else than the last one says, ${difference(folded, said)}`;
  } catch (error) {
    if (error instanceof Unfoldable) return error.message;
    throw error;
  }
}

/** Where two values part, as a path and both values. */
function difference(one: unknown, other: unknown, path = ''): string {
  if (isObject(one) && isObject(other)) {
    for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
      if (!isDeepStrictEqual(one[key], other[key])) return difference(one[key], other[key], `${path}/${key}`);
    }
  }
  return `at ${path || '/'}: ${clipped(one)} instead of ${clipped(other)}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const clipped = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 120);

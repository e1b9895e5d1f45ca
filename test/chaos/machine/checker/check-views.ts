/** What each client saw: I1 and I2; and that all saw the same (I4). */
import { wasLive } from './check-begun-anew.ts';
import { malformed } from './check-log.ts';
import { brokenEnd, brokenOrder } from './check-order.ts';
import type { Frame } from './frame.ts';
import type { Subject, ViewFrames } from './subject.ts';
import type { Finding } from './violation.ts';

/** The first thing that is wrong with each client's view. */
export function checkViews(subject: Subject): Finding[] {
  return subject.views.flatMap((view) => checkView(subject, view) ?? []);
}

function checkView(subject: Subject, { name, view, frames }: ViewFrames): Finding | undefined {
  const { evidence, logFrames, losses, mayBeGone } = subject;
  const after = view.attaches[0]?.after ?? -1;
  const order = brokenOrder(frames, after, losses);
  if (order !== undefined) return { invariant: 'I1', what: `${name}: ${order}` };
  // Who begins after the end is told nothing but that it is over; a response that is gone ends without an event.
  const sawEnd = frames.length === 0 && after >= (logFrames.at(-1)?.number ?? Number.POSITIVE_INFINITY);
  const isGone = mayBeGone && evidence.row === null;
  const end = brokenEnd(frames, view.done && !sawEnd && !isGone);
  if (end !== undefined) return { invariant: 'I2', what: `${name}: ${end}` };
  // What the log holds is judged there; if this is something else, it is told by the comparison.
  const known = new Set(logFrames.map((frame) => frame.number));
  const shape = malformed(frames.filter((frame) => !known.has(frame.number)));
  if (shape !== undefined) return { invariant: 'I1', what: `${name}: ${shape}` };
  if (view.toTheEnd && !view.done && !isGone && evidence.row?.endedAt != null) {
    return { invariant: 'stuck', what: `${name} never got to the end${lastError(view.errors)}` };
  }
  return undefined;
}

const lastError = (errors: readonly string[]) => (errors.length === 0 ? '' : `: ${errors.at(-1)}`);

/** Where a text was seen, and when first. */
interface Sighting {
  sources: string[];
  at: number;
}

/**
 * Every event has the same bytes wherever it was seen (I4). The log of a response that had ended, and that was lost, is
 * projected anew, maybe under numbers that have been given out before, so each loss allows one other version from then on.
 */
export function checkSameBytes(subject: Subject): Finding[] {
  const { logFrames, views, losses } = subject;
  const versions = new Map<number, Map<string, Sighting>>();
  note(versions, 'the log', logFrames);
  for (const { name, frames } of views) note(versions, name, frames);
  const lostAt = wasLive(subject) ? [] : losses.map(({ from }) => from).sort((a, b) => a - b);
  for (const [number, texts] of versions) {
    if (texts.size === 1) continue;
    const bySight = [...texts.values()].sort((a, b) => a.at - b.at);
    if (bySight.every(({ at }, index) => index === 0 || (lostAt[index - 1] ?? Number.POSITIVE_INFINITY) <= at))
      continue;
    const told = [...texts].map(([text, { sources }]) => `${sources.join(', ')}: ${excerpt(text, texts)}`);
    return [{ invariant: 'I4', what: `event ${number} is not the same everywhere: ${told.join(' | ')}` }];
  }
  return [];
}

function note(versions: Map<number, Map<string, Sighting>>, source: string, frames: readonly Frame[]): void {
  for (const { number, text, at } of frames) {
    const texts = versions.get(number) ?? new Map<string, Sighting>();
    versions.set(number, texts);
    const sighting = texts.get(text) ?? { sources: [], at };
    texts.set(text, sighting);
    sighting.at = Math.min(sighting.at, at);
    if (!sighting.sources.includes(source)) sighting.sources.push(source);
  }
}

/** The text from shortly before the place where the versions part. */
function excerpt(text: string, texts: ReadonlyMap<string, unknown>): string {
  const all = [...texts.keys()];
  let at = 0;
  while (at < text.length && all.every((other) => other[at] === text[at])) at += 1;
  return JSON.stringify(text.slice(Math.max(0, at - 30), at + 40));
}

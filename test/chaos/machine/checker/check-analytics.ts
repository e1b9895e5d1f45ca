/** Every call has its row, and every row its call: worker and whoever was called know a call by the same id. */
import type { Call, FaultRecord, RunRecord } from '../record/index.ts';
import type { AnalyticsRow, Evidence, StepRow } from './evidence.ts';
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/**
 * For each response: every call that was made is booked once, whatever became of its worker; every row with a status is of
 * a call that was made. A row without a status may be of a call that never arrived, where a fault kept it from arriving.
 */
export function checkAnalytics(subject: Subject): Finding[] {
  const { row, analytics } = subject.evidence;
  // What has not ended may still be reported.
  if (!row || row.endedAt === null) return [];
  const booked = new Set(analytics.map(({ id }) => id));
  const made = Map.groupBy(subject.calls, ({ client_request_id: id }) => id);
  const found = [
    ...subject.calls.filter((call) => isUnbooked(call, booked, subject.faults)).map(unbooked),
    ...[...made].flatMap(([id, calls]) =>
      id !== null && calls.length > 1 ? [`${calls.length} calls have the id ${id}`] : [],
    ),
    ...analytics.filter(({ id }) => !made.has(id)).flatMap((each) => explained(subject, each) ?? []),
  ];
  return found.map((what) => ({ invariant: 'analytics', what }));
}

/** Calls that nobody has booked for any response, and that cannot be told to belong to one. */
export function checkStrayCalls({ calls, faults }: RunRecord, evidence: Evidence, known: ReadonlySet<Call>): string[] {
  const booked = new Set([...evidence.responses.values()].flatMap(({ analytics }) => analytics.map(({ id }) => id)));
  return calls.filter((call) => !known.has(call) && isUnbooked(call, booked, faults)).map(unbooked);
}

function isUnbooked(call: Call, booked: ReadonlySet<string>, faults: readonly FaultRecord[]): boolean {
  const isBooked = call.client_request_id !== null && booked.has(call.client_request_id);
  return !isBooked && !faults.some((fault) => losesNotes(fault, call));
}

function unbooked({ kind, name, client_request_id: id, at }: Call): string {
  return `the call ${id} of ${kind} ${name} at ${new Date(at).toISOString()} is not booked`;
}

/** A note is on its way for no longer than this; while NATS is away its worker alone knows of it. */
const NOTE_MS = 10_000;

/** Whether a fault can have taken the note of a call: only one of NATS, or of the way to it, can. */
function losesNotes({ kind, target, from, to }: FaultRecord, { at }: Call): boolean {
  if (kind === 'nats-wiped') return to >= at;
  const isOfNats = kind.startsWith('nats-') || kind === 'jetstream-full' || target.endsWith('> nats');
  return isOfNats && from <= at + NOTE_MS && to >= at - NOTE_MS;
}

/** What is wrong with a row that no call is known of; undefined when a fault explains it. */
function explained({ evidence, faults }: Subject, row: AnalyticsRow): string | undefined {
  const step = evidence.steps.find(({ id }) => id === row.stepId);
  const over = faults.filter((fault) => !step || liesOver(fault, step));
  // A call that is given up as it is made may not arrive.
  const unsent = over.length > 0 || step?.state === 'canceled';
  const explains = row.status === null ? unsent : over.some((fault) => isStorm(fault, row.kind));
  if (explains) return undefined;
  return `${row.kind} call ${row.id} of step ${row.stepId} is booked with status ${row.status}, and was not made`;
}

function liesOver({ from, to }: FaultRecord, step: StepRow): boolean {
  const ended = step.completedAt ?? step.failedAt ?? step.canceledAt ?? Number.POSITIVE_INFINITY;
  return from <= ended && to >= step.createdAt;
}

/** Whether something else than the model or the tool may have answered, which keeps no log of its calls. */
function isStorm({ kind, target }: FaultRecord, of: AnalyticsRow['kind']): boolean {
  return /^upstream-\d+$/.test(kind) && target === (of === 'tool' ? 'tools' : 'upstream');
}

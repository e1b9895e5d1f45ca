import type { Call, ResponseRecord, RunRecord } from '../record/index.ts';
import { checkAnalytics, checkStrayCalls } from './check-analytics.ts';
import { checkBegunAnew } from './check-begun-anew.ts';
import { checkCalls } from './check-calls.ts';
import { checkExistence } from './check-existence.ts';
import { checkFolds } from './check-fold.ts';
import { checkLeftBehind } from './check-left-behind.ts';
import { checkLog } from './check-log.ts';
import { checkMemory, type MemoryBound } from './check-memory.ts';
import { checkOwner } from './check-owner.ts';
import { checkProgress } from './check-progress.ts';
import { checkOutputs, checkSteps } from './check-steps.ts';
import { checkSameBytes, checkViews } from './check-views.ts';
import type { Evidence } from './evidence.ts';
import { promptOf } from './step-calls.ts';
import { type Subject, subjectOf } from './subject.ts';
import { timelineOf } from './timeline.ts';
import { untoldRows } from './untold.ts';
import type { Finding, Invariant, Violation } from './violation.ts';

/** What a run is measured by. */
export interface CheckLimits {
  memory(role: string): MemoryBound;
}

/** The design's: 256 KiB for a connection, beside what a service of Node needs for itself. */
export const DEFAULT_LIMITS: CheckLimits = {
  memory: () => ({ base: 512 * 1024 * 1024, perConnection: 256 * 1024 }),
};

/** Findings that are told of one invariant and response. */
const TOLD = 5;

/**
 * Judges a run: what its clients saw against what it left behind. Pure. One violation for each invariant that a response
 * broke; what only follows from another finding is left out.
 */
export function check(record: RunRecord, evidence: Evidence, limits: CheckLimits = DEFAULT_LIMITS): Violation[] {
  const calls = callsByResponse(record, evidence);
  const untold = untoldRows(record, evidence);
  const ofResponses = record.responses.flatMap((response) => {
    const subject = subjectOf(response, evidence, {
      faults: record.faults,
      calls: calls.get(response) ?? [],
      untold: untold.get(response) ?? [],
    });
    return violationsOf(subject);
  });
  const placed = new Set([...calls.values()].flat());
  const stray = checkStrayCalls(record, evidence, placed).map((what): Violation => {
    return { invariant: 'analytics', responseIndex: null, id: null, what, timeline: [] };
  });
  return [...ofResponses, ...stray, ...checkMemory(record, limits.memory)];
}

function violationsOf(subject: Subject): Violation[] {
  const byInvariant = Map.groupBy(findingsOf(subject), ({ invariant }) => invariant);
  if (byInvariant.size === 0) return [];
  const timeline = timelineOf(subject);
  const { index: responseIndex, id } = subject.record;
  return [...byInvariant].map(([invariant, findings]: [Invariant, Finding[]]) => {
    const told = findings.slice(0, TOLD).map(({ what }) => what);
    const more = findings.length > TOLD ? [`and ${findings.length - TOLD} more`] : [];
    return { invariant, responseIndex, id, what: [...told, ...more].join('; '), timeline };
  });
}

function findingsOf(subject: Subject): Finding[] {
  const streams = [
    ...checkLog(subject),
    ...checkViews(subject),
    ...checkBegunAnew(subject),
    ...checkSameBytes(subject),
  ];
  return [
    ...checkExistence(subject),
    ...checkLeftBehind(subject),
    ...streams,
    ...(streams.length === 0 ? [...checkFolds(subject), ...checkProgress(subject), ...checkOutputs(subject)] : []),
    ...checkSteps(subject),
    ...checkCalls(subject),
    ...checkAnalytics(subject),
    ...checkOwner(subject),
  ];
}

/** A model's call names its response by the marker that its prompt begins with, a tool's by its step; else its row tells. */
function callsByResponse({ responses, calls }: RunRecord, evidence: Evidence): Map<ResponseRecord, Call[]> {
  const byMarker = new Map(responses.map((response) => [response.marker, response]));
  const byStep = new Map<string, ResponseRecord>();
  const byRow = new Map<string, ResponseRecord>();
  for (const response of responses) {
    const { steps = [], analytics = [] } = evidence.responses.get(response.id ?? '') ?? {};
    for (const { id } of steps) byStep.set(id, response);
    for (const { id } of analytics) byRow.set(id, response);
  }
  const grouped = new Map<ResponseRecord, Call[]>();
  for (const call of calls) {
    const [marker = ''] = promptOf(call).split(' ', 1);
    const named = call.kind === 'tool' ? byStep.get(call.idempotency_key ?? '') : byMarker.get(marker);
    const response = named ?? byRow.get(call.client_request_id ?? '');
    if (!response) continue;
    const known = grouped.get(response);
    if (known) known.push(call);
    else grouped.set(response, [call]);
  }
  return grouped;
}

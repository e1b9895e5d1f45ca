import type { Call, FaultRecord, ResponseRecord } from '../record/index.ts';
import type { Evidence, ResponseEvidence } from './evidence.ts';
import { type Frame, readFrame, withSpecifiedNames } from './frame.ts';
import type { UntoldRow } from './untold.ts';

/** One client's frames, read. */
export interface ViewFrames {
  /** `client 0` … */
  name: string;
  view: ResponseRecord['clients'][number];
  frames: Frame[];
}

/** A response with all that is known of it. */
export interface Subject {
  record: ResponseRecord;
  evidence: ResponseEvidence;
  gatheredAt: number;
  faults: readonly FaultRecord[];
  /** Faults that took its log away while it was there. */
  losses: readonly FaultRecord[];
  /** Calls of models and tools for it. */
  calls: readonly Call[];
  /** Rows that nobody was told of and whose request is one of its tries. */
  untold: readonly UntoldRow[];
  /** The log's frames, those of readable messages. */
  logFrames: Frame[];
  views: ViewFrames[];
  /** It may be gone: a client has asked for that, or it was not to be kept. */
  mayBeGone: boolean;
}

/** Puts together what is known of a response. */
export function subjectOf(
  record: ResponseRecord,
  all: Evidence,
  run: { faults: readonly FaultRecord[]; calls: readonly Call[]; untold: readonly UntoldRow[] },
): Subject {
  const evidence = (record.id === null ? undefined : all.responses.get(record.id)) ?? NOTHING;
  const began = record.creates[0]?.at ?? record.acceptedAt ?? 0;
  return {
    record,
    evidence,
    gatheredAt: all.gatheredAt,
    faults: run.faults,
    losses: run.faults.filter((fault) => fault.to >= began && takesLogOf(fault, record.id)),
    calls: run.calls,
    untold: run.untold,
    logFrames: evidence.log.flatMap(({ text, at }) => framesIn(text ?? '').map((frame) => readFrame(frame, at))),
    views: record.clients.map((view, index) => ({
      name: `client ${index}`,
      view,
      frames: view.frames.map(({ at, text }) =>
        readFrame(view.names === 'openai' ? withSpecifiedNames(text) : text, at),
      ),
    })),
    mayBeGone: record.deletedAt !== undefined || record.request.store === false,
  };
}

const NOTHING: ResponseEvidence = { row: null, steps: [], analytics: [], log: [] };

function takesLogOf({ takesLogs }: FaultRecord, id: string | null): boolean {
  return takesLogs === 'all' || (id !== null && (takesLogs?.includes(id) ?? false));
}

/** The frames of a run, without the empty lines that end them; what follows the last one is a frame too, a torn one. */
function framesIn(text: string): string[] {
  return text.split('\n\n').filter((frame) => frame !== '');
}

/** A response's story: what its clients, its steps, its log, those who were called and the faults tell, by time. */
import type { Subject } from './subject.ts';

interface Entry {
  /** Milliseconds since the epoch. */
  at: number;
  who: string;
  what: string;
  /** Entries that follow each other and name the same run become one, from the first's to the last's. */
  run?: { name: string; from: number; to: number };
}

/** The lines; times are relative to the first request. */
export function timelineOf(subject: Subject): string[] {
  const entries = entriesOf(subject).sort((a, b) => a.at - b.at);
  const zero = subject.record.creates[0]?.at ?? subject.record.acceptedAt ?? entries[0]?.at ?? 0;
  return joined(entries).map(({ at, who, what, run }) => {
    const told = run === undefined ? what : `${what} ${run.from === run.to ? run.from : `${run.from} to ${run.to}`}`;
    return `${(at - zero).toFixed(1).padStart(10)} ms  ${who}: ${told}`;
  });
}

function joined(entries: readonly Entry[]): Entry[] {
  const lines: Entry[] = [];
  for (const entry of entries) {
    const last = lines.at(-1);
    const goesOn = entry.run && last?.run?.name === entry.run.name && entry.run.from === last.run.to + 1;
    if (goesOn && last?.run && entry.run) last.run.to = entry.run.to;
    else lines.push(entry.run ? { ...entry, run: { ...entry.run } } : entry);
  }
  return lines;
}

function entriesOf(subject: Subject): Entry[] {
  const { calls } = subject;
  return [
    ...clientEntries(subject),
    ...viewEntries(subject),
    ...chainEntries(subject),
    ...logEntries(subject),
    ...calls.flatMap(({ kind, name, at, closed_at, ended, messages_count, idempotency_key }) => {
      const of = kind === 'model' ? `${messages_count} messages` : `step ${idempotency_key}`;
      const begun: Entry = { at, who: `${kind} ${name}`, what: `called (${of})` };
      return closed_at === null
        ? [begun]
        : [begun, { at: closed_at, who: `${kind} ${name}`, what: `${ended} (${of})` }];
    }),
    ...faultEntries(subject),
  ];
}

function clientEntries({ record }: Subject): Entry[] {
  const { creates, polls, foreign, acceptedAt, cancelledAt, deletedAt, endedAt } = record;
  const moments = {
    'was told the id': acceptedAt,
    'had cancelled': cancelledAt,
    deleted: deletedAt,
    'knew the end': endedAt,
  };
  return [
    ...creates.map(({ at, gateway, status, id }) => {
      return {
        at,
        who: 'owner',
        what: `create at gateway ${gateway}: ${status ?? 'no answer'}${id === null ? '' : `, ${id}`}`,
      };
    }),
    ...polls.map(({ at, status, body }) => {
      const said = typeof body === 'object' && body !== null && 'status' in body ? `, ${String(body.status)}` : '';
      return { at, who: 'owner', what: `GET: ${status}${said}` };
    }),
    ...foreign.map(({ at, method, path, status }) => {
      return { at, who: 'another owner', what: `${method} ${path}: ${status ?? 'no answer'}` };
    }),
    ...Object.entries(moments).flatMap(([what, at]) => (at == null ? [] : [{ at, who: 'owner', what }])),
  ];
}

function viewEntries({ views }: Subject): Entry[] {
  return views.flatMap(({ name, view, frames }) => [
    ...view.attaches.map(({ at, gateway, after }) => {
      return { at, who: name, what: `attaches at gateway ${gateway} after ${after}` };
    }),
    ...frames.map(({ at, number, type }) => {
      const isItem = !type.endsWith('.delta');
      const run = { name: `${name} ${isItem ? type : ''}`, from: number, to: number };
      return { at, who: name, what: isItem ? `gets ${type}` : 'gets', run };
    }),
    ...(view.done ? [{ at: frames.at(-1)?.at ?? view.attaches.at(-1)?.at ?? 0, who: name, what: 'gets [DONE]' }] : []),
    ...view.errors.map((error) => ({ at: frames.at(-1)?.at ?? view.attaches.at(-1)?.at ?? 0, who: name, what: error })),
  ]);
}

function chainEntries({ evidence }: Subject): Entry[] {
  const { row, steps } = evidence;
  const ofSteps = steps.flatMap((step) => {
    const moments = {
      added: step.createdAt,
      started: step.startedAt,
      completed: step.completedAt,
      failed: step.failedAt,
      canceled: step.canceledAt,
      committed: step.committedAt,
    };
    return Object.entries(moments).flatMap(([what, at]) =>
      at === null ? [] : [{ at, who: `step ${step.id} (${step.kind})`, what: `${what}, attempt ${step.attempt}` }],
    );
  });
  if (!row) return ofSteps;
  const created: Entry = { at: row.createdAt, who: 'row', what: 'created' };
  return [created, ...ofSteps, ...(row.endedAt === null ? [] : [{ at: row.endedAt, who: 'row', what: row.status }])];
}

function logEntries({ evidence }: Subject): Entry[] {
  return evidence.log.map(({ at, streamSeq, first, last, cursor, writer, step, attempt, sealed, ended }) => {
    const by = step === null ? `orchestrator ${writer}, ${cursor} entries` : `step ${step}, attempt ${attempt}`;
    if (last >= first && !sealed && ended === null) {
      return { at, who: 'log', what: `${by}:`, run: { name: `log ${writer}`, from: first, to: last } };
    }
    const what = last < first ? 'no event' : `${first} to ${last}`;
    const end = `${sealed ? ', sealed' : ''}${ended === null ? '' : `, ended ${ended}`}`;
    return { at, who: 'log', what: `${by}: ${what}${end} (message ${streamSeq})` };
  });
}

/** The faults that lay over the response's life. */
function faultEntries({ record, evidence, faults, gatheredAt }: Subject): Entry[] {
  const from = record.creates[0]?.at ?? evidence.row?.createdAt ?? 0;
  const to = Math.max(
    evidence.row?.endedAt ?? gatheredAt,
    ...record.clients.flatMap(({ frames }) => frames.at(-1)?.at ?? 0),
  );
  return faults
    .filter((fault) => fault.from <= to && fault.to >= from)
    .flatMap(({ kind, target, from, to }) => [
      { at: from, who: 'fault', what: `${kind} of ${target}` },
      { at: to, who: 'fault', what: `${kind} of ${target} is healed` },
    ]);
}

/** I6: what a client was told of is there, was made once, comes to its end, and is found when it is asked for. */
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/** What is wrong with a response as a whole. */
export function checkExistence(subject: Subject): Finding[] {
  const { record, evidence } = subject;
  const findings: Finding[] = [...doubled(subject)];
  if (record.id === null) return findings;
  if (!evidence.row) {
    if (!subject.mayBeGone)
      findings.push({ invariant: 'lost', what: 'a client was told of it, and there is no such row' });
    return findings;
  }
  if (evidence.row.endedAt === null) findings.push({ invariant: 'stuck', what: stuckFor(subject) });
  const missed = record.polls.filter(({ at, status }) => {
    return status === 404 && record.request.store !== false && at < (record.deletedAt ?? Number.POSITIVE_INFINITY);
  });
  if (missed.length > 0)
    findings.push({ invariant: 'I6', what: `its owner was told ${missed.length} times that it is not there` });
  return findings;
}

function doubled({ record, untold }: Subject): Finding[] {
  if (record.idempotencyKey === null) return [];
  const ids = new Set([...record.creates.flatMap(({ id }) => id ?? []), ...untold.map(({ id }) => id)]);
  if (record.id !== null) ids.add(record.id);
  return ids.size > 1 ? [{ invariant: 'duplicated', what: `one key made ${[...ids].join(', ')}` }] : [];
}

function stuckFor({ record, evidence, faults, gatheredAt }: Subject): string {
  const since = Math.max(record.acceptedAt ?? 0, ...faults.map(({ to }) => to));
  const open = evidence.steps.filter(({ endedEntry }) => endedEntry === null);
  const at = open.map(({ id, kind, state, attempt }) => `${kind} ${id} is ${state}, attempt ${attempt}`);
  return `it has not ended ${Math.round((gatheredAt - since) / 1000)} s after the last heal: ${at.join('; ') || 'no step is open'}`;
}

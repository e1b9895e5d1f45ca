/** A request without an `Idempotency-Key` that was refused, or answered with a 5xx, has left nothing. */
import type { CreateAttempt, FaultRecord } from '../record/index.ts';
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/**
 * Of each try there is what its answer told. Of one that was answered with an error nothing is left; of one whose answer
 * never came, or broke off before an id, one response at most, and that comes to its end, too.
 */
export function checkLeftBehind({ record, untold, faults }: Subject): Finding[] {
  if (record.idempotencyKey !== null) return [];
  const byMarker = Map.groupBy(untold, ({ marker }) => marker);
  return [...byMarker].flatMap(([marker, rows]): Finding[] => {
    const tries = record.creates.filter((create) => create.marker === marker);
    const most = tries.filter((create) => mayHaveMade(create, faults)).length;
    const ids = rows.map(({ id }) => id).join(', ');
    if (rows.length > most) {
      const answers = tries.map(({ status, id }) => `${status ?? 'no answer'}${id === null ? '' : ` with ${id}`}`);
      return [{ invariant: 'left behind', what: `${marker} was answered with ${answers.join(', ')}, and made ${ids}` }];
    }
    const open = rows.filter(({ endedAt }) => endedAt === null);
    return open.map(({ id }) => ({ invariant: 'stuck', what: `${id}, of which nobody was told, has not ended` }));
  });
}

/** Whether a try may have made something that its client was not told of. */
function mayHaveMade({ at, gateway, status, id }: CreateAttempt, faults: readonly FaultRecord[]): boolean {
  if (id !== null) return false;
  if (status === null || status < 400) return true;
  return status >= 500 && faults.some((fault) => isKillOf(fault, gateway) && isSoonAfter(fault, at));
}

/** The answer's gateway was killed with what it still had to tell the orchestrators: nobody else knows of that. */
function isKillOf({ kind, target }: FaultRecord, gateway: number): boolean {
  return kind === 'process-killed' && target === `gateway ${gateway}`;
}

/** For so long a gateway may be at its answer, and then at telling NATS, which has to be there again for that. */
const TELLING_MS = 30_000;

function isSoonAfter({ from }: FaultRecord, at: number): boolean {
  return from >= at && from <= at + TELLING_MS;
}

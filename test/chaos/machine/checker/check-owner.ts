/** I7: to others a response does not exist. */
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/** Answers that others may get: it is not there, they ask too often, or nobody can say. None tells that it exists. */
const tellsNothing = (status: number) => status === 404 || status === 429 || status >= 500;

/** What others were told about a response. */
export function checkOwner({ record }: Subject): Finding[] {
  return record.foreign.flatMap(({ method, path, status }) =>
    status === null || tellsNothing(status)
      ? []
      : [{ invariant: 'I7' as const, what: `${method} ${path} of another owner was answered with ${status}` }],
  );
}

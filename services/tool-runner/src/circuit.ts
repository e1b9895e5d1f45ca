/** When a source that fails is left alone. Pure: times are passed in, in milliseconds of any clock that only goes forward. */

/** Where a source stands. */
export type Circuit =
  /** It is called. `failures`: in a row. */
  | { state: 'closed'; failures: number }
  /** It is left alone until then. */
  | { state: 'open'; until: number }
  /** One call finds out how it is. */
  | { state: 'half_open' };

/** When a circuit opens, and for how long. */
export interface CircuitOptions {
  /** Failures in a row. */
  failures: number;
  openMs: number;
}

/** What a call said of its source; `unknown` when it was given up before there was an answer. */
export type Finding = 'works' | 'fails' | 'unknown';

/** A source of which nothing is known. */
export const CLOSED: Circuit = { state: 'closed', failures: 0 };

/** Whether a call may be made now, and where its source stands then. */
export function admit(circuit: Circuit, now: number): { admitted: boolean; circuit: Circuit } {
  switch (circuit.state) {
    case 'closed':
      return { admitted: true, circuit };
    case 'half_open':
      return { admitted: false, circuit };
    case 'open':
      return now < circuit.until ? { admitted: false, circuit } : { admitted: true, circuit: { state: 'half_open' } };
  }
}

/** Whether {@link admit} would say yes, for whoever has to wait for something else first. */
export function admits(circuit: Circuit, now: number): boolean {
  return admit(circuit, now).admitted;
}

/** Where a source stands after a call that was admitted. */
export function record(circuit: Circuit, finding: Finding, now: number, options: CircuitOptions): Circuit {
  switch (circuit.state) {
    case 'open':
      // A call that began before the others failed.
      return circuit;
    case 'half_open':
      if (finding === 'works') return CLOSED;
      return { state: 'open', until: finding === 'fails' ? now + options.openMs : now };
    case 'closed': {
      if (finding === 'unknown') return circuit;
      const failures = finding === 'works' ? 0 : circuit.failures + 1;
      return failures < options.failures
        ? { state: 'closed', failures }
        : { state: 'open', until: now + options.openMs };
    }
  }
}

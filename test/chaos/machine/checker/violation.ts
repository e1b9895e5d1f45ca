/** What can be broken: the invariants of the design, and what has a row of its own in a run's table. */
export type Invariant =
  | 'I1'
  | 'I2'
  | 'I3'
  | 'I4'
  | 'I5'
  | 'I6'
  | 'I7'
  | 'I8'
  | 'lost'
  | 'duplicated'
  | 'left behind'
  | 'stuck'
  | 're-executed'
  | 'analytics';

/** Something broken, before it is told. */
export interface Finding {
  invariant: Invariant;
  what: string;
}

/** One invariant that one response broke. */
export interface Violation {
  invariant: Invariant;
  /** Null where no single response is to blame (the memory of a process). */
  responseIndex: number | null;
  id: string | null;
  /** Everything found, in words. */
  what: string;
  /** What happened to it and around it, a line each, by time. */
  timeline: string[];
}

/** What a run left in Postgres and JetStream, as data. Times are milliseconds since the epoch. */

/** A row of `responses`. */
export interface ResponseRow {
  status: string;
  /** Journal entries. */
  entries: number;
  createdAt: number;
  endedAt: number | null;
  /** The beginning of the stored request's JSON. */
  request: string;
}

/** A row of `response_steps`. */
export interface StepRow {
  id: string;
  parentStepId: string | null;
  prevStepId: string | null;
  kind: string;
  /** Of a call that an agent answers: the first line of what the agent is told. Null of all others. */
  task: string | null;
  state: string;
  sequence: number;
  attempt: number;
  addedEntry: number;
  endedEntry: number | null;
  createdAt: number;
  startedAt: number | null;
  completedAt: number | null;
  failedAt: number | null;
  canceledAt: number | null;
  /** When the row's last change was committed, by Postgres' clock; null where it does not keep track of commits. */
  committedAt: number | null;
}

/** A row of `http_analytics` or `tool_call_analytics`. */
export interface AnalyticsRow {
  kind: 'model' | 'tool';
  /** The call's own: whoever was called knows it, too. */
  id: string;
  stepId: string;
  attempt: number;
  call: number;
  /** Null when no status came. */
  status: number | null;
}

/** A message of a response's log. */
export interface LogMessage {
  streamSeq: number;
  /** When JetStream stored it. */
  at: number;
  first: number;
  last: number;
  cursor: number;
  writer: string;
  step: string | null;
  attempt: number | null;
  /** It ends its step. */
  sealed: boolean;
  ended: string | null;
  /** Its frames; null when they were put aside and are gone. */
  text: string | null;
}

/** All there is of one response. */
export interface ResponseEvidence {
  /** Null when there is no such row. */
  row: ResponseRow | null;
  /** By their sequence. */
  steps: StepRow[];
  analytics: AnalyticsRow[];
  /** By stream sequence. */
  log: LogMessage[];
}

/** All there is of a run. */
export interface Evidence {
  gatheredAt: number;
  /** By public id. */
  responses: Map<string, ResponseEvidence>;
}

import type { ClientView } from './client-view.ts';

/** The body of a create request. */
export interface ResponseRequest {
  stream?: boolean;
  background?: boolean;
  /** False: the response is forgotten soon after its end, or after its clients have gone. */
  store?: boolean;
  [field: string]: unknown;
}

/** One try of the create request; the SDKs' retries are tries of their own. Times are milliseconds since the epoch. */
export interface CreateAttempt {
  at: number;
  gateway: number;
  /** The first line of the prompt that was sent; without an `Idempotency-Key` that of no other try. */
  marker: string;
  /** Null when the connection failed before a status came. */
  status: number | null;
  /** The public id that the answer, or its first event, told; null when none came. */
  id: string | null;
  /** The `Retry-After` header. */
  retryAfter: string | null;
}

/** A `GET /v1/responses/{id}` by the owner. */
export interface Poll {
  /** When the answer was there; milliseconds since the epoch. */
  at: number;
  status: number;
  /** The parsed JSON. */
  body: unknown;
}

/** A request for the response by somebody who does not own it. */
export interface ForeignAttempt {
  /** Milliseconds since the epoch. */
  at: number;
  method: string;
  path: string;
  /** Null when the connection failed before a status came. */
  status: number | null;
}

/** One response from its request to its end, as its clients know it. Times are milliseconds since the epoch. */
export interface ResponseRecord {
  /** Its place in the workload. */
  index: number;
  /** `resp_…`; null when no client has ever been told one. */
  id: string | null;
  /** Null when its requests carried none: then each try is a request of its own, and so has a marker of its own. */
  idempotencyKey: string | null;
  /** The name of its shape in the workload. */
  shape: string;
  /** Who created it. */
  owner: string;
  /**
   * The first line of the prompt's last user message, without its line end: unique in the run. What an agent is told begins
   * with it too, and a space and a name of its own follow. It tells which calls of the model are for this response, and where in it.
   */
  marker: string;
  request: ResponseRequest;
  /** All tries, in their order. */
  creates: CreateAttempt[];
  /** When a client was first told the id. */
  acceptedAt: number | null;
  clients: ClientView[];
  /** In their order; the last one of a response that is kept is made when everything has come to rest. */
  polls: Poll[];
  foreign: ForeignAttempt[];
  /** When a cancellation was acknowledged. */
  cancelledAt?: number;
  /** When a deletion was first asked for: it may have happened although its answer was lost. */
  deletedAt?: number;
  /** When a client first knew that it had ended. */
  endedAt?: number;
}

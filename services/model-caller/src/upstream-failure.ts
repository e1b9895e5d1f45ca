import type { ApiError } from '@tailrace/protocol';

/** A failed call, with what decides whether it is worth another try. */
export class UpstreamFailure extends Error {
  readonly error: ApiError;
  readonly status: number | null;
  readonly retryable: boolean;
  /** Milliseconds that the upstream asks to wait. */
  readonly retryAfterMs: number | null;

  constructor(error: ApiError, options: { status?: number; retryable: boolean; retryAfterMs?: number | null }) {
    super(error.message, { cause: error });
    this.name = 'UpstreamFailure';
    this.error = error;
    this.status = options.status ?? null;
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

import { ApiError } from '@tailrace/protocol';

/** What an upstream said when it refused a request. */
export interface Refusal {
  status: number;
  /** The body's text, clipped. */
  body: string;
}

/** A failed call, with what decides whether it is worth another try. */
export class UpstreamFailure extends Error {
  readonly error: ApiError;
  /** Null when it did not come to an answer, 200 when the answer itself was the failure. */
  readonly status: number | null;
  /** Whether the same upstream may be asked again. */
  readonly retryable: boolean;
  /** Milliseconds that the upstream asks to wait. */
  readonly retryAfterMs: number | null;
  /** There when the upstream answered with an error. */
  readonly refusal: Refusal | null;

  constructor(
    error: ApiError,
    options: { status?: number; retryable: boolean; retryAfterMs?: number | null; refusal?: Refusal },
  ) {
    super(error.message, { cause: error });
    this.name = 'UpstreamFailure';
    this.error = error;
    this.status = options.status ?? null;
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.refusal = options.refusal ?? null;
  }

  /** The same without a secret: some servers repeat the key that they were sent. */
  without(secret: string | null): UpstreamFailure {
    const { error, status, retryable, retryAfterMs, refusal } = this;
    if (secret === null || secret === '') return this;
    const hide = (text: string) => withoutSecret(text, secret);
    if (hide(error.message) === error.message && (refusal === null || hide(refusal.body) === refusal.body)) return this;
    return new UpstreamFailure(ApiError.from({ code: error.code, message: hide(error.message) }, error.param), {
      retryable,
      retryAfterMs,
      ...(status === null ? {} : { status }),
      ...(refusal === null ? {} : { refusal: { ...refusal, body: hide(refusal.body) } }),
    });
  }
}

/** Some mask the middle of a key: a masked word that begins as the key does is hidden, too. */
const MASKED_WORD = /[^\s"'`<>(){}[\],;:]*\*{2,}[^\s"'`<>(){}[\],;:]*/g;

function withoutSecret(text: string, secret: string): string {
  return text
    .replaceAll(secret, '***')
    .replace(MASKED_WORD, (word) => (word.startsWith(secret.slice(0, 2)) ? '***' : word));
}

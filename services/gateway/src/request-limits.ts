/** How many requests a key may make in a minute, at this gateway. */
import { ApiError } from '@tailrace/protocol';
import type { RegisteredKey } from '@tailrace/registry';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

const MINUTE_S = 60;

/** What is told of a limit with every answer. */
export type LimitHeaders = Record<`x-ratelimit-${'limit' | 'remaining' | 'reset'}-requests`, string>;

/** See the file's head. A key's minute begins with its first request. */
export class RequestLimits {
  readonly #limiter: RateLimiterMemory | null;
  readonly #perMinute: number;

  /** `perMinute` of 0 is no limit. */
  constructor(perMinute: number) {
    this.#perMinute = perMinute;
    this.#limiter = perMinute === 0 ? null : new RateLimiterMemory({ points: perMinute, duration: MINUTE_S });
  }

  /**
   * Counts a request of a key; resolves with the headers that tell what is left, or with none where there is no limit.
   * @throws LimitReached
   */
  async take(key: RegisteredKey): Promise<LimitHeaders | null> {
    if (!this.#limiter) return null;
    try {
      return this.#headers(await this.#limiter.consume(key.hash));
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      const seconds = secondsUntil(error);
      throw new LimitReached(this.#perMinute, seconds, this.#headers(error));
    }
  }

  #headers(state: RateLimiterRes): LimitHeaders {
    return {
      'x-ratelimit-limit-requests': String(this.#perMinute),
      'x-ratelimit-remaining-requests': String(state.remainingPoints),
      'x-ratelimit-reset-requests': `${secondsUntil(state)}s`,
    };
  }
}

/** `rate_limit_exceeded`, with the headers that belong to it. */
export class LimitReached extends ApiError {
  readonly headers: LimitHeaders;

  constructor(limit: number, seconds: number, headers: LimitHeaders) {
    super('rate_limit_exceeded', { limit, seconds }, { retryAfter: seconds });
    this.name = 'LimitReached';
    this.headers = headers;
  }
}

function secondsUntil(state: RateLimiterRes): number {
  return Math.max(1, Math.ceil(state.msBeforeNext / 1_000));
}

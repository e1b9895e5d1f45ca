/** Where limits stand, as OpenAI's headers tell it. */
import type { RateLimit, RateState } from '@tailrace/bus';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The headers of an answer; none where nothing is limited. */
export function rateLimitHeaders(rateLimit: RateLimit | undefined): Record<string, string> {
  if (!rateLimit) return {};
  return { ...headersOf('requests', rateLimit.requests), ...headersOf('tokens', rateLimit.tokens) };
}

function headersOf(unit: 'requests' | 'tokens', state: RateState | null): Record<string, string> {
  if (!state) return {};
  return {
    [`x-ratelimit-limit-${unit}`]: String(state.limit),
    [`x-ratelimit-remaining-${unit}`]: String(state.remaining),
    [`x-ratelimit-reset-${unit}`]: duration(state.resetMs),
  };
}

/** A time in milliseconds as `6m0s`, `1s` or `20ms`; longer than a second it is rounded up to whole ones. */
export function duration(ms: number): string {
  const rounded = Math.ceil(ms);
  if (rounded < SECOND) return rounded === 0 ? '0s' : `${rounded}ms`;
  const whole = Math.ceil(rounded / SECOND) * SECOND;
  const hours = Math.floor(whole / HOUR);
  const minutes = Math.floor((whole % HOUR) / MINUTE);
  const seconds = (whole % MINUTE) / SECOND;
  return `${hours > 0 ? `${hours}h` : ''}${hours + minutes > 0 ? `${minutes}m` : ''}${seconds}s`;
}

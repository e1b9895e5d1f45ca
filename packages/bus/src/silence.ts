import { NoRespondersError, RequestError, TimeoutError } from '@nats-io/nats-core';

/** Whether a request failed because nobody was there to answer it, or nobody did in time. */
export function isSilence(error: unknown): boolean {
  return error instanceof NoRespondersError || error instanceof RequestError || error instanceof TimeoutError;
}

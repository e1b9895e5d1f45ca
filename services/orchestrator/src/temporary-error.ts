/** Which errors pass by themselves, and when a message is given up for the others. Pure. */

import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import { errors } from '@nats-io/nats-core';
import { BlobExpired, PublishRejected, PublishUncertain, QueueTrouble, StaleDelivery } from '@tailrace/bus';
import { isDatabaseTrouble, isDataError } from '@tailrace/database';
import { LogReadBroken } from '@tailrace/log';
import { UnsealError } from '@tailrace/registry';

/** How often a message that fails for what it says, or for our own mistake, is tried. */
const KNOWN_ATTEMPTS = 3;
/** How often one is tried that fails for what nobody has thought of. */
const UNKNOWN_ATTEMPTS = 10;

const TEMPORARY = [
  PublishRejected,
  PublishUncertain,
  QueueTrouble,
  StaleDelivery,
  LogReadBroken,
  JetStreamApiError,
  JetStreamError,
  errors.ClosedConnectionError,
  errors.ConnectionError,
  errors.DrainingConnectionError,
  errors.NoRespondersError,
  errors.RequestError,
  errors.TimeoutError,
];

/** Whether what failed may be done when it is tried again: Postgres or NATS was not there, or time was short. */
export function isTemporary(error: unknown): boolean {
  if (isDatabaseTrouble(error)) return true;
  // What a signal was aborted with: this process stops, or has waited long enough.
  if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')) return true;
  return TEMPORARY.some((kind) => error instanceof kind);
}

/** Whether a message that has failed with this, when it was delivered so often, is given up. */
export function isLostCause(error: unknown, deliveries: number): boolean {
  if (isTemporary(error)) return false;
  return deliveries >= (isKnown(error) ? KNOWN_ATTEMPTS : UNKNOWN_ATTEMPTS);
}

function isKnown(error: unknown): boolean {
  const lasting = [TypeError, RangeError, SyntaxError, UnsealError, BlobExpired];
  return isDataError(error) || lasting.some((kind) => error instanceof kind);
}

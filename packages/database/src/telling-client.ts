/** The driver's connections, whose errors tell a server that is not there from a statement that is wrong. */
import { Client, Pool } from 'pg';
import { DatabaseUnreachable } from './data-error.ts';

/** What the server says has a code, what the driver has no right to be given is a TypeError: all else is the connection's. */
function told(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const plain = error.constructor === Error || error.constructor === AggregateError;
  return plain ? new DatabaseUnreachable(error) : error;
}

async function telling<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw told(error);
  }
}

/** A connection that throws {@link DatabaseUnreachable} where the driver only says so in words. */
export class TellingClient extends Client {
  // The driver's method has a dozen overloads; one that is given no callback answers with a promise.
  override query(...args: unknown[]): never {
    const forward = super.query as (...all: unknown[]) => unknown;
    const answer = forward.apply(this, args);
    return (answer instanceof Promise ? telling(answer) : answer) as never;
  }
}

/** A pool of them; likewise when no connection is to be had. */
export class TellingPool extends Pool {
  // Likewise.
  override connect(...args: unknown[]): never {
    const forward = super.connect as (...all: unknown[]) => unknown;
    const answer = forward.apply(this, args);
    return (answer instanceof Promise ? telling(answer) : answer) as never;
  }
}

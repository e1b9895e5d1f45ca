import type { QueryConfig } from 'pg';
import { TellingClient } from './telling-client.ts';

/** The most statements that a process keeps prepared on each connection; others are sent as they are. */
const MOST_PREPARED = 256;

const names = new Map<string, string>();

function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= MOST_PREPARED) return known;
  const name = `tr_${names.size}`;
  names.set(text, name);
  return name;
}

/**
 * A connection that prepares each statement with parameters the first time it is sent: Postgres parses and plans it once
 * per connection instead of every time.
 */
export class PreparedClient extends TellingClient {
  // The driver's method has a dozen overloads; the one that Kysely calls is (text, values).
  override query(...args: unknown[]): never {
    const [text, values] = args;
    const name = typeof text === 'string' && Array.isArray(values) && values.length > 0 ? nameOf(text) : undefined;
    const forward = super.query as (...all: unknown[]) => never;
    if (name === undefined) return forward.apply(this, args);
    return forward.call(this, { name, text, values } as QueryConfig);
  }
}

/** Looks for the secrets of a stack wherever they have no business: in its logs, and in what clients are sent. */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Secret } from './secret-places.ts';
import type { Violations } from './violations.ts';

/** Anything shorter is in ordinary text by chance. */
const SHORTEST = 8;
/** What the demo says in public. */
const PUBLIC: ReadonlySet<string> = new Set(['demo', 'application/json', 'text/event-stream']);

/** Takes the bytes of one place as they come, in pieces of any size. */
export type Scanner = (bytes: Uint8Array) => void;

/** See the file's head. */
export class Secrets {
  /** What the bytes are that must not be seen → whose they are. */
  readonly #known = new Map<string, { name: string; bytes: Buffer }>();
  #longest = 0;

  /** From now on these are looked for. */
  learn(secrets: Iterable<Secret>): void {
    for (const { name, value } of secrets) {
      const bare = value.replace(/^(?:Bearer|Basic) +|^whsec_/i, '');
      const plain = bare.length < SHORTEST ? value : bare;
      if (plain.length < SHORTEST || PUBLIC.has(plain)) continue;
      // As it stands, and as it looks within JSON and within an address.
      for (const form of new Set([plain, JSON.stringify(plain).slice(1, -1), encodeURIComponent(plain)])) {
        if (this.#known.has(form)) continue;
        const bytes = Buffer.from(form);
        this.#known.set(form, { name, bytes });
        this.#longest = Math.max(this.#longest, bytes.length);
      }
    }
  }

  /** Tells the name of each secret that passes, once, also of one that is cut by the pieces; `mayHold` is let through. */
  scanner(found: (name: string) => void, mayHold?: string): Scanner {
    const told = new Set<string>();
    let rest: Uint8Array = new Uint8Array();
    return (bytes) => {
      const here = Buffer.concat([rest, bytes]);
      for (const [form, secret] of this.#known) {
        if (form === mayHold || told.has(form) || !here.includes(secret.bytes)) continue;
        told.add(form);
        found(secret.name);
      }
      rest = here.subarray(Math.max(0, here.length - this.#longest + 1));
    };
  }

  /** Looks through every file of a folder of logs. */
  async scanLogs(folder: string, violations: Violations): Promise<void> {
    for (const name of await readdir(folder)) {
      const scan = this.scanner((secret) => violations.add('secrets', 'logs', `${name} holds ${secret}`));
      for await (const piece of createReadStream(join(folder, name))) scan(piece as Buffer);
    }
  }
}

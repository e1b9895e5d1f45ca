import { setTimeout as sleep } from 'node:timers/promises';

/** Looks again until `look` finds something. Fails, with what was looked for, after `ms`. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined | false>, ms = 20_000): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`it never happened: ${what}`);
    await sleep(25);
  }
}

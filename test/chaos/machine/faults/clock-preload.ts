/**
 * Preloaded into a service (`NODE_OPTIONS=--import=…`): the wall clock shows as many milliseconds more (or fewer) than it
 * should as the file at `CHAOS_CLOCK_FILE` says. The monotonic clock and timers go on as ever, as they do when a machine's
 * clock is set.
 */
import { readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 50;

const path = process.env.CHAOS_CLOCK_FILE;
if (path !== undefined) shift(path);

function shift(file: string): void {
  const RealDate = Date;
  const now = RealDate.now;
  let offset = read(file);
  setInterval(() => {
    offset = read(file);
  }, LOOK_EVERY_MS).unref();

  const shifted = () => now() + offset;
  RealDate.now = shifted;
  const ShiftedDate = new Proxy(RealDate, {
    construct: (target, args: unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [shifted()] : args, newTarget),
    apply: () => new RealDate(shifted()).toString(),
  });
  RealDate.prototype.constructor = ShiftedDate;
  globalThis.Date = ShiftedDate;
}

function read(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

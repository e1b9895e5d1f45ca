import { type Context, createContext, Script } from 'node:vm';

/** A piece of work that took longer than it may. */
export class TookTooLong extends Error {
  constructor(ms: number) {
    super(`it took longer than ${ms} ms`);
    this.name = 'TookTooLong';
  }
}

const TIMED_OUT = 'ERR_SCRIPT_EXECUTION_TIMEOUT';
const sandbox: { run: () => void } = { run: () => undefined };
let realm: { script: Script; context: Context } | undefined;

/**
 * Runs synchronous work and ends it, wherever it is, after `ms` milliseconds: a schema that a stranger has written can take
 * for ever to check, by a pattern that backtracks or by references that double at each level.
 * @throws TookTooLong, and what `work` throws
 */
export function runWithin<T>(ms: number, work: () => T): T {
  realm ??= { script: new Script('run()'), context: createContext(sandbox) };
  let result: { value: T } | undefined;
  sandbox.run = () => {
    result = { value: work() };
  };
  try {
    realm.script.runInContext(realm.context, { timeout: ms });
  } catch (error) {
    if (hasCode(error, TIMED_OUT)) throw new TookTooLong(ms);
    throw error;
  } finally {
    sandbox.run = () => undefined;
  }
  if (!result) throw new Error('the work did not run');
  return result.value;
}

/** The error of a time-out belongs to the context's own realm: it is no `Error` here. */
function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

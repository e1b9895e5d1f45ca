/** Where a connection tells of what no caller of it would hear. */
import { inspect } from 'node:util';

/** The part of a logger that is needed for it. */
export interface BusLog {
  error(what: { err: unknown; subject: string }, text: string): void;
}

/** The same of a service that joins an installation. */
export interface JoinLog extends BusLog {
  warn(what: { version: string }, text: string): void;
}

/** For processes that keep no log: Node writes its warnings to their standard error. */
export const WARNINGS: JoinLog = {
  warn({ version }, text) {
    process.emitWarning(`${text} (${version})`, { type: 'BusWarning' });
  },
  error({ err, subject }, text) {
    process.emitWarning(`${text} (${subject})`, { type: 'BusWarning', detail: inspect(err) });
  },
};

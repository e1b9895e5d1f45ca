import type { Log } from './log.ts';

/** What every way of finding nats-server may use. */
export interface FindContext {
  /** Folder of the project's own copies; made when needed. */
  readonly cacheDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  /** Ends the search when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** One way of getting a nats-server binary. The ways are tried in a fixed order. */
export interface NatsWay {
  /** Short name for people: `PATH`, `go install`. */
  readonly name: string;
  /**
   * The path of a binary, or undefined when this way was not asked for (an environment variable that is not set).
   *
   * @throws Error whose message says in one line why this way did not work.
   */
  find(context: FindContext): Promise<string | undefined>;
}

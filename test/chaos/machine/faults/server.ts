import { rm } from 'node:fs/promises';
import { type RunningServer, signalTo } from '@tailrace/infra';
import { treeOf } from './process-tree.ts';

/** What a server is, whether it runs or not. */
export interface ServerOptions {
  /** `postgres`, `nats`, `n0` */
  readonly name: string;
  /** Starts it on the address it had before, if any; resolves once it answers. */
  readonly launch: (before: RunningServer | undefined) => Promise<RunningServer>;
  /** Folder of its data, which {@link Server.wipe} deletes. */
  readonly dataDir: string;
}

/** A server that can be killed, frozen and started again as often as one likes; always at the same address. */
export class Server {
  readonly name: string;
  readonly #options: ServerOptions;
  #last: RunningServer;
  #isUp = true;
  #starting: Promise<void> | undefined;
  /** In the order they were frozen in. */
  readonly #frozen = new Set<number>();

  private constructor(options: ServerOptions, running: RunningServer) {
    this.name = options.name;
    this.#options = options;
    this.#last = running;
    this.#watch(running);
  }

  /** Starts it for the first time. @throws whatever keeps it from starting. */
  static async start(options: ServerOptions): Promise<Server> {
    return new Server(options, await options.launch(undefined));
  }

  /** Takes over one that runs already. */
  static of(options: ServerOptions, running: RunningServer): Server {
    return new Server(options, running);
  }

  get url(): string {
    return this.#last.url;
  }

  get port(): number {
    return this.#last.port;
  }

  /** Of the process that runs; undefined while there is none. */
  get pid(): number | undefined {
    return this.#isUp ? this.#last.pid : undefined;
  }

  /** Starts it again; nothing more when it runs or is being started. Resolves once it answers. */
  async start(): Promise<void> {
    if (this.#isUp) return;
    this.#starting ??= this.#options
      .launch(this.#last)
      .then((running) => {
        this.#last = running;
        this.#isUp = true;
        this.#watch(running);
      })
      .finally(() => {
        this.#starting = undefined;
      });
    await this.#starting;
  }

  /** `kill -9` of its process; resolves once that has ended. */
  async kill(): Promise<void> {
    if (this.#isUp) signalTo(this.#last.pid, 'SIGKILL');
    await this.#last.exited;
  }

  /** Ends it as an operator does; resolves once it has ended. */
  async stop(): Promise<void> {
    await this.thaw();
    await this.#last.stop();
  }

  /** Stops all of its processes in their tracks; its connections stay open. */
  async freeze(): Promise<void> {
    if (!this.#isUp) return;
    process.once('exit', this.#wake);
    // Who was being forked while the others were stopped is found by the next look.
    for (let found = true; found; ) {
      found = false;
      for (const pid of await treeOf(this.#last.pid)) {
        if (this.#frozen.has(pid) || !signalTo(pid, 'SIGSTOP')) continue;
        this.#frozen.add(pid);
        found = true;
      }
    }
  }

  /** Lets a frozen server go on. Any number of calls. */
  async thaw(): Promise<void> {
    process.off('exit', this.#wake);
    this.#wake();
  }

  /** Ends it and deletes its data. */
  async wipe(): Promise<void> {
    await this.stop();
    await rm(this.#options.dataDir, { recursive: true, force: true });
  }

  // The process may end in the middle of a fault; what it has frozen must not stay so for ever.
  readonly #wake = () => {
    for (const pid of [...this.#frozen].reverse()) signalTo(pid, 'SIGCONT');
    this.#frozen.clear();
  };

  #watch(running: RunningServer): void {
    void running.exited.then(() => {
      this.#isUp = false;
    });
  }
}

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from './data-dir.ts';
import type { Role } from './role.ts';

/** One process of a running stack. */
export interface ProcessInfo {
  readonly role: Role;
  /** Its number among those of its role, from 0. */
  readonly index: number;
  readonly pid: number;
  /** Its HTTP address, for those that have one. */
  readonly url?: string;
}

/** What `run.json` tells scripts about a running stack. */
export interface RunState {
  /** Whether every process is up. */
  readonly ready: boolean;
  readonly gateways: readonly string[];
  readonly apiKey: string;
  readonly adminKey: string;
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly processes: readonly ProcessInfo[];
}

/** Writes `run.json` into a data directory, the last state last, and removes it at the end. */
export class RunFile {
  readonly #path: string;
  #pending: string | undefined;
  #writing: Promise<void> | undefined;

  constructor(dataDir: string) {
    this.#path = join(dataDir, 'run.json');
  }

  /** Resolves once this state, or a later one, is in the file. */
  write(state: RunState): Promise<void> {
    const processes = state.processes.map(({ role, pid, url }) => ({
      role,
      pid,
      ...(url === undefined ? {} : { url }),
    }));
    this.#pending = `${JSON.stringify({ ...state, processes }, undefined, 2)}\n`;
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  /** Removes the file. Nothing may be written any more. */
  async remove(): Promise<void> {
    await this.#writing;
    await rm(this.#path, { force: true });
  }

  async #drain(): Promise<void> {
    while (this.#pending !== undefined) {
      const text = this.#pending;
      this.#pending = undefined;
      await replaceFile(this.#path, text);
    }
  }
}

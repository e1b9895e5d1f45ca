import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunState } from '../run-file.ts';
import type { AdminTarget } from './admin-api.ts';

/** It is not known which gateway is meant, or what its key is. */
export class NoTarget extends Error {
  constructor(reason: string) {
    super(`${reason} Set TAILRACE_URL and ADMIN_API_KEY, or start Tailrace here with npm start.`);
    this.name = 'NoTarget';
  }
}

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/**
 * The gateway that the environment names; what it leaves out is said by the Tailrace that `npm start` has started here.
 * @param dataDir of that one, relative to `cwd`; its usual one by default.
 * @throws NoTarget
 */
export async function findTarget(
  environment: NodeJS.ProcessEnv,
  cwd: string,
  dataDir: string | undefined,
): Promise<AdminTarget> {
  const { TAILRACE_URL: url, ADMIN_API_KEY: adminKey } = environment;
  if (url && adminKey) return { url, adminKey };
  const path = join(dataDir === undefined ? join(ROOT, '.tailrace') : resolve(cwd, dataDir), 'run.json');
  let run: RunState;
  try {
    run = JSON.parse(await readFile(path, 'utf8')) as RunState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new NoTarget(`There is no ${path}.`);
  }
  const [first] = run.gateways;
  if (first === undefined) throw new NoTarget('The Tailrace that runs here has no gateway.');
  return { url: url || first, adminKey: adminKey || run.adminKey };
}

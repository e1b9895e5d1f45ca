import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { NatsWay } from './nats-way.ts';

/** The binary the environment variable `NATS_SERVER_BIN` names. */
export const environmentWay: NatsWay = {
  name: 'NATS_SERVER_BIN',
  async find({ env }) {
    const path = env.NATS_SERVER_BIN;
    return path === undefined || path === '' ? undefined : path;
  },
};

/** The binary a shell would find. */
export const pathWay: NatsWay = {
  name: 'PATH',
  async find({ env }) {
    const path = await onPath('nats-server', env);
    if (path === undefined) throw new Error('no nats-server there');
    return path;
  },
};

/** The first executable of that name in the folders of `PATH`. */
export async function onPath(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const dir of (env.PATH ?? '').split(delimiter)) {
    if (dir !== '' && (await isExecutable(join(dir, name)))) return join(dir, name);
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runGuarded } from './guarded-command.ts';
import { inTemporaryFolder, keep } from './nats-cache.ts';
import { onPath } from './nats-installed.ts';
import type { FindContext, NatsWay } from './nats-way.ts';

const TOTAL_MS = 60_000;

/** Debian's or Ubuntu's package, downloaded and unpacked into the cache; nothing is installed and no root is needed. */
export const debianWay: NatsWay = {
  name: "Debian's package",
  async find(context) {
    const [apt, dpkg] = [await onPath('apt-get', context.env), await onPath('dpkg', context.env)];
    if (apt === undefined || dpkg === undefined) throw new Error('no apt-get and dpkg on PATH');
    context.log('nats-server: downloading the package with apt-get');
    return inTemporaryFolder(async (dir) => {
      // As root, apt downloads as a user of its own, who has to reach the folder.
      await chmod(dir, 0o755);
      const run = { dir, env: { ...context.env, LC_ALL: 'C' }, timeoutMs: TOTAL_MS, signal: context.signal };
      await download(apt, run, context);
      const archive = (await readdir(dir)).find((name) => name.endsWith('.deb'));
      if (archive === undefined) throw new Error('apt-get downloaded no package');
      await runGuarded(dpkg, ['-x', join(dir, archive), join(dir, 'root')], run);
      return keep(context.cacheDir, join(dir, 'root', 'usr', 'sbin', 'nats-server'));
    });
  },
};

type Run = Parameters<typeof runGuarded>[2];

async function download(apt: string, run: Run, { log }: FindContext): Promise<void> {
  const args = ['-o', 'Acquire::http::Timeout=10', '-o', 'Acquire::https::Timeout=10', '-o', 'Acquire::Retries=0'];
  try {
    await runGuarded(apt, [...args, 'download', 'nats-server'], run);
  } catch {
    run.signal?.throwIfAborted();
    // Images without package lists are common; lists of its own need no root.
    log('nats-server: fetching package lists first');
    const state = join(run.dir, 'apt');
    await mkdir(join(state, 'lists', 'partial'), { recursive: true });
    await mkdir(join(state, 'cache', 'archives', 'partial'), { recursive: true });
    const own = ['-o', `Dir::State::lists=${join(state, 'lists')}`, '-o', `Dir::Cache=${join(state, 'cache')}`];
    await runGuarded(apt, [...args, ...own, 'update'], run);
    await runGuarded(apt, [...args, ...own, 'download', 'nats-server'], run);
  }
}

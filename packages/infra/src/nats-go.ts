import { join } from 'node:path';
import { runGuarded } from './guarded-command.ts';
import { inTemporaryFolder, keep } from './nats-cache.ts';
import { onPath } from './nats-installed.ts';
import { PINNED_VERSION } from './nats-version.ts';
import type { NatsWay } from './nats-way.ts';

const TOTAL_MS = 5 * 60_000;

/** The pinned version, built by the Go on this machine. */
export const goWay: NatsWay = {
  name: 'go install',
  async find({ cacheDir, env, log, signal }) {
    const go = await onPath('go', env);
    if (go === undefined) throw new Error('no Go on PATH');
    const module = `github.com/nats-io/nats-server/v2@v${PINNED_VERSION}`;
    log(`nats-server: building it with go install ${module} (may take a minute)`);
    return inTemporaryFolder(async (dir) => {
      const bin = join(dir, 'bin');
      // Without a home folder Go has no place for its caches.
      const home = env.HOME === undefined ? { HOME: dir } : {};
      await runGuarded(go, ['install', module], {
        dir,
        env: { ...env, ...home, GOBIN: bin, CGO_ENABLED: '0', GOFLAGS: '-modcacherw' },
        timeoutMs: TOTAL_MS,
        signal,
      });
      return keep(cacheDir, join(bin, 'nats-server'));
    });
  },
};

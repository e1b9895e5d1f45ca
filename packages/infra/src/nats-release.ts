import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EnvHttpProxyAgent, fetch } from 'undici';
import { runCommand } from './command.ts';
import { inTemporaryFolder, keep } from './nats-cache.ts';
import { PINNED_VERSION } from './nats-version.ts';
import type { NatsWay } from './nats-way.ts';

const CONNECT_MS = 5_000;
const IDLE_MS = 10_000;
const TOTAL_MS = 120_000;
const MAX_BYTES = 64 * 1024 * 1024;

const SHA256: Readonly<Record<string, string>> = {
  'linux-amd64': '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
  'linux-arm64': '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
  'darwin-amd64': 'f95c98d6b6ed2b63c5681b46b092c9585c99767d547cf495730c329234625e96',
  'darwin-arm64': 'ddd907854d9a2de834af133fa396915fe6442fe6d8909ae31390d1ea7a0fea50',
};

/** An archive to download, what it must hash to, and the binary's place inside it. */
export interface Release {
  readonly url: string;
  /** SHA-256 of the archive, in hex. */
  readonly sha256: string;
  readonly member: string;
}

/** The official release of the pinned version for a platform, or undefined when none is pinned for it. */
export function pinnedRelease(platform: string, arch: string): Release | undefined {
  const target = `${platform}-${arch === 'x64' ? 'amd64' : arch}`;
  const sha256 = SHA256[target];
  if (sha256 === undefined) return undefined;
  const name = `nats-server-v${PINNED_VERSION}-${target}`;
  return {
    url: `https://github.com/nats-io/nats-server/releases/download/v${PINNED_VERSION}/${name}.tar.gz`,
    sha256,
    member: `${name}/nats-server`,
  };
}

/** The pinned official release, downloaded and checked. */
export const releaseWay: NatsWay = releaseWayOf(pinnedRelease(process.platform, process.arch));

/** Downloads a release into the cache. Nothing of the archive is unpacked or run before its hash is the expected one. */
export function releaseWayOf(release: Release | undefined): NatsWay {
  return {
    name: 'official release',
    find({ cacheDir, log, signal }) {
      if (release === undefined) throw new Error(`none is pinned for ${process.platform} on ${process.arch}`);
      log(`nats-server: downloading ${release.url}`);
      return inTemporaryFolder(async (dir) => {
        const archive = join(dir, 'nats-server.tar.gz');
        const sha256 = await download(release.url, archive, signal);
        if (sha256 !== release.sha256) {
          throw new Error(`the download's SHA-256 is ${sha256}, not ${release.sha256}; it was thrown away`);
        }
        await runCommand('tar', ['-xzf', archive, '-C', dir, release.member], { timeoutMs: 30_000 });
        return keep(cacheDir, join(dir, release.member));
      });
    },
  };
}

/** Writes what the address answers to a file and returns its SHA-256 in hex. */
async function download(url: string, path: string, signal?: AbortSignal): Promise<string> {
  const agent = new EnvHttpProxyAgent({
    connect: { timeout: CONNECT_MS },
    headersTimeout: IDLE_MS,
    bodyTimeout: IDLE_MS,
  });
  const total = AbortSignal.timeout(TOTAL_MS);
  try {
    const response = await fetch(url, {
      dispatcher: agent,
      signal: signal === undefined ? total : AbortSignal.any([total, signal]),
    });
    if (!response.ok || response.body === null) throw new Error(`${url} answers ${response.status}`);
    const hash = createHash('sha256');
    let bytes = 0;
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        hash.update(chunk);
        done(bytes > MAX_BYTES ? new Error(`the download is larger than ${MAX_BYTES} bytes`) : null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body), meter, createWriteStream(path));
    return hash.digest('hex');
  } catch (error) {
    // fetch says "fetch failed" and keeps the reason as the cause.
    throw error instanceof Error && error.cause instanceof Error ? error.cause : error;
  } finally {
    await agent.destroy();
  }
}

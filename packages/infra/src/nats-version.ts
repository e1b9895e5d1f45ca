import { runCommand } from './command.ts';

/** The release of nats-server that is installed when none is there. */
export const PINNED_VERSION = '2.14.5';

const OLDEST = { major: 2, minor: 9 };

/** The version in what `nats-server --version` prints (`nats-server: v2.14.5`), as `2.14.5`; undefined when there is none. */
export function parseVersion(text: string): string | undefined {
  return /\bv?(\d+\.\d+\.\d+)/.exec(text)?.[1];
}

/** Whether Tailrace runs on this version (`major.minor.patch`): 2.9 and later. */
export function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor);
}

/**
 * Runs a binary to learn its version.
 *
 * @throws Error, in one line, when it does not run, names no version, or is too old.
 */
export async function versionOf(path: string, signal?: AbortSignal): Promise<string> {
  const text = await runCommand(path, ['--version'], signal === undefined ? {} : { signal });
  const version = parseVersion(text);
  if (version === undefined) throw new Error(`${path} --version names no version`);
  if (!isSupported(version)) {
    throw new Error(`${path} is version ${version}, and ${OLDEST.major}.${OLDEST.minor} or later is needed`);
  }
  return version;
}

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from './data-dir.ts';

/** The secrets of an installation on one machine. */
export interface Keys {
  /** What a client sends. */
  readonly apiKey: string;
  /** What an operator sends. */
  readonly adminKey: string;
  /** What seals secrets at rest: 32 bytes in base64. */
  readonly secretKey: string;
}

/**
 * The secrets kept in a data directory, made once, in a file only its owner reads.
 *
 * @throws Error when the file is there and holds something else.
 */
export async function keptKeys(dataDir: string): Promise<Keys> {
  const path = join(dataDir, 'keys.json');
  try {
    return parseKeys(await readFile(path, 'utf8'), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const keys: Keys = {
    apiKey: `tr-${randomBytes(24).toString('base64url')}`,
    adminKey: `tr-admin-${randomBytes(24).toString('base64url')}`,
    secretKey: randomBytes(32).toString('base64'),
  };
  await replaceFile(path, `${JSON.stringify(keys, undefined, 2)}\n`);
  return keys;
}

function parseKeys(text: string, path: string): Keys {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null) {
    const { apiKey, adminKey, secretKey } = value as Partial<Record<keyof Keys, unknown>>;
    if (typeof apiKey === 'string' && typeof adminKey === 'string' && typeof secretKey === 'string') {
      return { apiKey, adminKey, secretKey };
    }
  }
  throw new Error(`${path} does not hold the keys. Begin with empty data (--fresh).`);
}

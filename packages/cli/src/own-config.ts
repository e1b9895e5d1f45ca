import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import type { LocalConfig } from './local-config.ts';

/**
 * Reads the user's own configuration, YAML or JSON. What is in it is checked by those who apply it.
 *
 * @throws Error that names the file when it cannot be read or is no mapping.
 */
export async function readOwnConfig(path: string): Promise<LocalConfig> {
  try {
    const value: unknown = parse(await readFile(path, 'utf8')) ?? {};
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is not a mapping');
    return value as LocalConfig;
  } catch (error) {
    // What follows the first line shows the place in the file, which may hold a secret; and so would the cause.
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new Error(`TAILRACE_CONFIG ${path}: ${reason}`);
  }
}

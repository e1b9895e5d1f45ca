import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Runs `npm ci` unless node_modules holds what package-lock.json asks for.
 *
 * @param {string} root folder of the package-lock.json
 * @throws {Error} when npm fails
 */
export async function installPackages(root) {
  const wanted = readPackages(join(root, 'package-lock.json'));
  if (wanted === undefined) throw new Error(`There is no package-lock.json in ${root}.`);
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'));
  if (installed !== undefined && matches(wanted, installed)) return;

  console.error('Installing the packages of package-lock.json …');
  const npm = process.env.npm_execpath;
  const [file, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  const args = [...first, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, signal, error } = spawnSync(file, args, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) throw new Error(`npm cannot be started: ${error.message}`);
  if (status !== 0) throw new Error(`npm ci has failed (${signal ?? `status ${status}`}); its messages are above.`);
}

/** Whether every package that is wanted is installed in that version; those for other platforms never are. */
function matches(wanted, installed) {
  return Object.entries(wanted)
    .filter(([path]) => path.startsWith('node_modules/') || path.includes('/node_modules/'))
    .every(([path, entry]) => {
      const found = installed[path];
      if (found === undefined) return entry.optional === true || entry.devOptional === true;
      return found.version === entry.version && found.integrity === entry.integrity;
    });
}

/** The packages of a lock file by path, or undefined when there is no such file. */
function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

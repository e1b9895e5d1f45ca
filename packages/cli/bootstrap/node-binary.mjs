import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The Node that runs the project: the one pinned as an npm dependency, or this one when it is of the same major version.
 *
 * @param {string} root folder of the package.json
 * @returns {string} path of the binary
 * @throws {Error} that says what to do when there is neither
 */
export function findNode(root) {
  const pinned = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies.node;
  const path = join(root, 'node_modules', '.bin', 'node');
  const { status } = spawnSync(path, ['--version'], { stdio: 'ignore' });
  if (status === 0) return path;
  if (process.versions.node.split('.')[0] === pinned.split('.')[0]) return process.execPath;
  throw new Error(
    `Node ${pinned} is missing from node_modules: the "node" package brings it in its install script, and npm ran none.\n` +
      'Run\n\n    npm rebuild node --ignore-scripts=false\n\n' +
      `in ${root}, or run this with Node ${pinned.split('.')[0]} yourself.`,
  );
}

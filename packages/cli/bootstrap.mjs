/**
 * What `npm start`, `npm test` and their like run first. It runs on any Node from 18 on and has no dependencies: it
 * installs what is missing and then hands over to the pinned Node.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from './bootstrap/node-binary.mjs';
import { installPackages } from './bootstrap/packages.mjs';
import { run } from './bootstrap/run.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const [command, ...args] = process.argv.slice(2);

/** The programs of a command, run one after the other, and whether they stop by themselves when this process dies. */
const COMMANDS = {
  start: { programs: [['packages/cli/src/start.ts', ...args]], linked: true },
  demo: { programs: [['packages/cli/src/demo.ts', ...args]], linked: true },
  bench: { programs: [['test/bench/main.ts', ...args]], linked: true },
  chaos: { programs: [['test/chaos/machine/main.ts', ...args]], linked: true },
  test: { programs: [['node_modules/vitest/vitest.mjs', 'run', ...args]], linked: false },
  check: {
    programs: [
      ['node_modules/@biomejs/biome/bin/biome', 'check', ...args],
      ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'],
    ],
    linked: false,
  },
  format: { programs: [['node_modules/@biomejs/biome/bin/biome', 'check', '--write', ...args]], linked: false },
};

const chosen = Object.hasOwn(COMMANDS, command ?? '') ? COMMANDS[command] : undefined;
if (chosen === undefined) {
  console.error(`Usage: node packages/cli/bootstrap.mjs <${Object.keys(COMMANDS).join('|')}> [arguments]`);
  process.exit(2);
}

try {
  await installPackages(root);
  const node = findNode(root);
  let status = 0;
  for (const [program, ...rest] of chosen.programs) {
    const ended = await run(node, [join(root, program), ...rest], { cwd: root, linked: chosen.linked });
    status ||= ended;
  }
  process.exit(status);
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}

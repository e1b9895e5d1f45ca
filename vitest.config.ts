import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/harness/longest-first.ts';

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'services/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/harness/global-setup.ts'],
    // Stacks of real processes share the machine, and wait a good part of their time: three files at once keep two cores busy.
    // Where other programs want them, too, fewer leave what is timed its time.
    maxWorkers: Number(process.env.TEST_WORKERS ?? 3),
    // A worker keeps the modules it has loaded from one file to the next: loading them anew took each file half a second.
    isolate: false,
    // Each stack starts a dozen processes of the same modules.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/node-compile') },
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

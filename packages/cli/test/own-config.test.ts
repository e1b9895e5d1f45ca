import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readOwnConfig } from '../src/own-config.ts';
import { temporaryDir } from './temporary-dir.ts';

test('a configuration that is no YAML is told by its line, without the secrets that stand there', async () => {
  const path = join(await temporaryDir(), 'tailrace.yaml');
  await writeFile(path, 'models: []\nkeys:\n  - { name: x, key: tr-secret-0123456789abcdef, groups: [ }\n');
  const failure = await readOwnConfig(path).catch((error: unknown) => error);
  expect(failure).toMatchObject({ message: expect.stringMatching(/tailrace\.yaml: .* at line \d+, column \d+:?$/) });
  expect((failure as Error).stack).not.toContain('tr-secret');
  expect(failure).not.toHaveProperty('cause');
});

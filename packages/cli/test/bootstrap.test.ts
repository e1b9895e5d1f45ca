import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { until } from '@tailrace/infra';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryDir } from './temporary-dir.ts';

vi.setConfig({ testTimeout: 30_000 });

const CLI = join(import.meta.dirname, '..');
const LOCK = { packages: { '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { optional: true } } };
const INSTALLED = { packages: { 'node_modules/a': { version: '1.0.0' } } };

interface ProjectOptions {
  /** Content of node_modules/.package-lock.json; undefined: nothing is installed. */
  readonly installed?: unknown;
  readonly nodeVersion?: string;
  readonly withNode?: boolean;
}

/** A project of the same layout, with the real bootstrap and a program that tells how it was started. */
async function project({ installed, nodeVersion = process.versions.node, withNode = true }: ProjectOptions) {
  const root = await temporaryDir();
  await mkdir(join(root, 'packages', 'cli', 'src'), { recursive: true });
  await cp(join(CLI, 'bootstrap.mjs'), join(root, 'packages', 'cli', 'bootstrap.mjs'));
  await cp(join(CLI, 'bootstrap'), join(root, 'packages', 'cli', 'bootstrap'), { recursive: true });
  await cp(join(CLI, 'test', 'fixtures', 'echo-program.ts'), join(root, 'packages', 'cli', 'src', 'start.ts'));
  await writeFile(join(root, 'package.json'), JSON.stringify({ type: 'module', dependencies: { node: nodeVersion } }));
  await writeFile(join(root, 'package-lock.json'), JSON.stringify(LOCK));
  await mkdir(join(root, 'node_modules', '.bin'), { recursive: true });
  if (installed !== undefined) {
    await writeFile(join(root, 'node_modules', '.package-lock.json'), JSON.stringify(installed));
  }
  if (withNode) await symlink(process.execPath, join(root, 'node_modules', '.bin', 'node'));
  // Stands for npm: notes its arguments and "installs" what the lock file asks for.
  const npm = `import { writeFileSync } from 'node:fs';
    writeFileSync('npm-was-run', process.argv.slice(2).join(' '));
    if (process.env.NPM_FAILS) process.exit(7);
    writeFileSync('node_modules/.package-lock.json', ${JSON.stringify(JSON.stringify(INSTALLED))});`;
  await writeFile(join(root, 'npm.mjs'), npm);
  return root;
}

type Started = ChildProcessByStdio<null, Readable, Readable>;

function bootstrap(root: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(process.execPath, [join(root, 'packages', 'cli', 'bootstrap.mjs'), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, npm_execpath: join(root, 'npm.mjs'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function outcome(child: Started): Promise<{ status: number | null; out: string; err: string }> {
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, err };
}

const readText = async (path: string) => {
  try {
    const text = await readFile(path, 'utf8');
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
};
const eventually = (path: string) => until(() => readText(path), { forMs: 15_000, everyMs: 20 });

test('runs the program with its arguments and passes its exit status on', async () => {
  const root = await project({ installed: INSTALLED });
  const { status, out } = await outcome(bootstrap(root, ['start', '--fresh', '--data-dir', 'x y'], { STATUS: '5' }));
  expect(status).toBe(5);
  expect(JSON.parse(out)).toMatchObject({ args: ['--fresh', '--data-dir', 'x y'] });
  expect(await readText(join(root, 'npm-was-run'))).toBeUndefined();
});

test.each([
  ['nothing is installed', undefined],
  ['another version is installed', { packages: { 'node_modules/a': { version: '0.9.0' } } }],
  ['a package is missing', { packages: {} }],
])('runs npm ci first when %s', async (_, installed) => {
  const root = await project({ installed });
  const { status } = await outcome(bootstrap(root, ['start']));
  expect(status).toBe(0);
  expect(await readText(join(root, 'npm-was-run'))).toMatch(/^ci /);
});

test('says so when npm fails, and starts nothing', async () => {
  const root = await project({});
  const { status, out, err } = await outcome(bootstrap(root, ['start'], { NPM_FAILS: '1' }));
  expect(status).toBe(1);
  expect(out).toBe('');
  expect(err).toContain('npm ci has failed (status 7)');
});

test('does without the pinned Node when this one is of its major version, else says how to get it', async () => {
  const same = await project({ installed: INSTALLED, withNode: false });
  expect((await outcome(bootstrap(same, ['start']))).status).toBe(0);
  const other = await project({ installed: INSTALLED, withNode: false, nodeVersion: '99.1.0' });
  const { status, err } = await outcome(bootstrap(other, ['start']));
  expect(status).toBe(1);
  expect(err).toContain('npm rebuild node --ignore-scripts=false');
});

test('refuses a command it does not know', async () => {
  const root = await project({ installed: INSTALLED });
  const { status, err } = await outcome(bootstrap(root, ['toString']));
  expect(status).toBe(2);
  expect(err).toContain('start|demo|bench|chaos|test|check|format');
});

test('passes one Ctrl-C on once, though the terminal and npm both send it', async () => {
  const endFile = join(await temporaryDir(), 'end.json');
  const child = spawn(process.execPath, [join(import.meta.dirname, 'fixtures', 'patient-run.mjs')], {
    env: { STAY: '1', END_FILE: endFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface(child.stdout);
  await once(lines, 'line');
  child.kill('SIGINT');
  await once(lines, 'line');
  child.kill('SIGINT');
  child.kill('SIGTERM');
  expect(await outcome(child)).toMatchObject({ status: 0 });
  expect(JSON.parse((await readText(endFile)) ?? '')).toEqual({ why: 'SIGTERM', interrupts: 1 });
});

test('its death by kill -9 ends the program', async () => {
  const root = await project({ installed: INSTALLED });
  const endFile = join(root, 'end.json');
  const child = bootstrap(root, ['start'], { STAY: '1', END_FILE: endFile });
  await once(createInterface(child.stdout), 'line');
  child.kill('SIGKILL');
  expect(await eventually(endFile)).toContain('disconnect');
});

test.each(['exec "$0" "$@"', '"$0" "$@"; exit $?'])(
  'the death of npm ends the program, run by the shell as %s',
  async (how) => {
    const root = await project({ installed: INSTALLED });
    const endFile = join(root, 'end.json');
    const args = [how, process.execPath, join(root, 'packages', 'cli', 'bootstrap.mjs'), 'start'];
    const script = `require('node:child_process').spawn('/bin/sh', ['-c', ...${JSON.stringify(args)}], { stdio: 'inherit' })`;
    const npm = spawn(process.execPath, ['-e', script], {
      env: { PATH: process.env.PATH, npm_lifecycle_event: 'start', STAY: '1', END_FILE: endFile },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(createInterface(npm.stdout), 'line');
    npm.kill('SIGKILL');
    expect(await eventually(endFile)).toContain('SIGTERM');
  },
);

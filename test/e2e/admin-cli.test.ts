/** The registry from a terminal, and from the operator's file. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const FILE_KEY = 'tr-in-the-file-0123456789abcdef';
// What a file holds in the place of the secret itself.
const REFERENCE = `\${env:${'KEY_OF_THE_FILE'}}`;

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({
    env: { TAILRACE_CONFIG_PRUNE: 'true', KEY_OF_THE_FILE: FILE_KEY },
    config: {
      keys: [{ name: 'filed', key: REFERENCE }],
      groups: [{ name: 'filed', limits: { concurrency: 9 } }],
    },
  });
});
afterAll(() => stack.stop());

interface Ran {
  status: number;
  out: string;
  notes: string;
}

/** Runs `tailrace` as a process of its own, with the address and the key in its environment. */
function tailrace(args: string[], environment: NodeJS.ProcessEnv = {}, input = ''): Promise<Ran> {
  const env = {
    PATH: process.env.PATH,
    TAILRACE_URL: stack.gateways[0],
    ADMIN_API_KEY: stack.adminKey,
    ...environment,
  };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], { env }, (error, out, notes) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : 0, out, notes });
    });
    child.stdin?.end(input);
  });
}

async function statusWith(key: string): Promise<number> {
  const answer = await stack.fetch('/v1/models', { headers: { authorization: `Bearer ${key}` } });
  await answer.text();
  return answer.status;
}

describe('tailrace', () => {
  test('adds a key, whose secret is all that it prints; rotates and revokes it', async () => {
    const added = await tailrace(['keys', 'add', 'ci', '--group', 'everyone', '--requests-per-minute', '600']);
    expect(added).toMatchObject({ status: 0, out: expect.stringMatching(/^tr-\S{43}\n$/) });
    await eventually('it is good', async () => (await statusWith(added.out.trim())) === 200);
    const shown = JSON.parse((await tailrace(['keys', 'show', 'ci'])).out);
    expect(shown).toMatchObject({ name: 'ci', limits: { requests_per_minute: 600, concurrency: null } });
    const rotated = await tailrace(['keys', 'rotate', 'ci', '--grace-seconds', '60']);
    await eventually('the new one is good', async () => (await statusWith(rotated.out.trim())) === 200);
    expect(await statusWith(added.out.trim())).toBe(200);
    expect(await tailrace(['keys', 'remove', 'ci'])).toMatchObject({ status: 0, notes: "The key 'ci' was revoked.\n" });
    await eventually('it is revoked', async () => (await statusWith(rotated.out.trim())) === 401);
    expect(await statusWith(added.out.trim())).toBe(401);
  });

  test('adds a model and a tool, which are then used, changes them, and lists them', async () => {
    const model = ['--base-url', `${stack.demoModelUrl}/v1`, '--upstream-model', 'demo', '--api-key', REFERENCE];
    expect(await tailrace(['models', 'add', 'cli/model', ...model], { KEY_OF_THE_FILE: 'sk-cli' })).toMatchObject({
      status: 0,
    });
    const flags = [
      ...['--kind', 'http', '--url', `${stack.demoModelUrl}/tools/get_time?demo=1`, '--for-model', 'cli/model'],
      ...['--parameters', '{"type":"object"}', '--header', 'authorization=Bearer a=b', '--idempotent'],
    ];
    expect(await tailrace(['tools', 'add', 'cli_clock', ...flags])).toMatchObject({ status: 0 });
    await eventually('the model is offered', async () => {
      const models = await stack.openai().models.list();
      return models.data.some(({ id }) => id === 'cli/model');
    });
    const response = await stack.openai().responses.create({ model: 'cli/model', input: script('!say Hi.').text });
    expect(response.output_text).toBe('Hi.');
    expect(await tailrace(['tools', 'update', 'cli_clock', '--no-idempotent', '--for-model', 'none'])).toMatchObject({
      status: 0,
    });
    const tool = JSON.parse((await tailrace(['tools', 'show', 'cli_clock'])).out);
    expect(tool).toMatchObject({ idempotent: false, models: null, headers: { authorization: '***' }, concurrency: 8 });
    const { out } = await tailrace(['tools']);
    expect(out).toMatch(/^NAME +KIND +GROUPS +MODELS +WHERE +SOURCE\n/);
    expect(out).toMatch(/^cli_clock +http +everyone +all +http:\/\/\S+ +api$/m);
    expect(out).toMatch(/^get_weather +http +everyone +demo +http:\/\/\S+ +file$/m);
    expect((JSON.parse((await tailrace(['models', '--json'])).out) as unknown[]).length).toBe(2);
    for (const args of [
      ['tools', 'remove', 'cli_clock'],
      ['models', 'remove', 'cli/model'],
    ]) {
      expect(await tailrace(args)).toMatchObject({ status: 0 });
    }
  });

  test('takes an entry from a file, or from what comes in', async () => {
    const entry = stringify({ kind: 'mcp', url: 'http://127.0.0.1:9/mcp', require_approval: 'always', groups: ['a'] });
    const added = await tailrace(['tools', 'add', 'board', '--file', '-', '--group', 'b', '--group', 'c'], {}, entry);
    expect(added).toMatchObject({ status: 0 });
    const shown = JSON.parse((await tailrace(['tools', 'show', 'board'])).out);
    expect(shown).toMatchObject({ kind: 'mcp', require_approval: 'always', groups: ['b', 'c'] });
    expect(await tailrace(['tools', 'remove', 'board'])).toMatchObject({ status: 0 });
  });

  test('finds the Tailrace of npm start by its data directory', async () => {
    const own = { TAILRACE_URL: '', ADMIN_API_KEY: '' };
    const { status, out } = await tailrace(['groups', 'list', '--data-dir', stack.dataDir], own);
    expect({ status, out }).toMatchObject({ status: 0, out: expect.stringMatching(/^filed +- +- +9 +file$/m) });
  });

  test.each([
    [
      ['tools', 'add', 'get_time', '--kind', 'http', '--url', 'http://h'],
      1,
      "There is a tool named 'get_time' already.",
    ],
    [['tools', 'add', 'x', '--kind', 'agent', '--model', 'nowhere'], 1, "the model 'nowhere'"],
    [['keys', 'rotate', 'nobody'], 1, "There is no key named 'nobody'."],
    [['models', 'show', 'nowhere'], 1, "There is no model named 'nowhere'."],
    [['tools', 'add', 'x', '--colour', 'red'], 2, '--colour'],
    [['tools', 'add', 'x', '--timeout-ms', 'soon'], 2, '--timeout-ms'],
    [['tools', 'add', 'x', '--parameters', '{'], 2, '--parameters'],
    [['tools', 'add', 'x', '--header', 'hush'], 2, '--header'],
    [['tools', 'add', 'x', '--url', '@/nowhere/at/all'], 2, '--url'],
    [['models', 'add', 'x', '--api-key', `\${env:${'NOBODY_SETS_IT'}}`], 2, 'NOBODY_SETS_IT'],
    [['tools', 'rotate', 'x'], 2, 'Usage: tailrace tools'],
    [['tools', 'add'], 2, 'Usage: tailrace tools'],
  ])('%j is refused', async (args, status, reason) => {
    const ran = await tailrace(args);
    expect(ran).toMatchObject({ status, out: '', notes: expect.stringContaining(reason) });
    expect(ran.notes).not.toContain('hush');
    expect(ran.notes).not.toContain('    at ');
  });

  test('says so where nobody answers, and where the key is wrong', async () => {
    expect(await tailrace(['keys'], { TAILRACE_URL: 'http://127.0.0.1:1' })).toMatchObject({
      status: 1,
      notes: 'No gateway answers at http://127.0.0.1:1.\n',
    });
    expect(await tailrace(['keys'], { ADMIN_API_KEY: 'tr-admin-another' })).toMatchObject({
      status: 1,
      notes: 'Incorrect API key.\n',
    });
  });
});

describe('the operator’s file', () => {
  const path = () => join(stack.dataDir, 'config.yaml');
  const state = async () =>
    (
      await stack.database.query(
        'SELECT version, (SELECT json_agg(k ORDER BY name) FROM registry_keys AS k) FROM registry_state',
      )
    ).rows[0];

  async function restartOrchestrator(): Promise<void> {
    await stack.kill('orchestrator');
    await stack.start('orchestrator');
  }

  test('applied at every start changes nothing; its secrets are those of the environment', async () => {
    expect(await readFile(path(), 'utf8')).toContain(REFERENCE);
    expect(await statusWith(FILE_KEY)).toBe(200);
    const before = await state();
    await restartOrchestrator();
    expect(await state()).toEqual(before);
    expect(await statusWith(FILE_KEY)).toBe(200);
  });

  test('removes, where that is wanted, what it has made and does not name any more', async () => {
    await tailrace(['groups', 'add', 'own']);
    const {
      keys,
      groups: _groups,
      ...rest
    } = parse(await readFile(path(), 'utf8')) as { keys: { name: string }[] } & Record<string, unknown>;
    await writeFile(path(), stringify({ ...rest, keys: keys.filter(({ name }) => name !== 'filed') }));
    await restartOrchestrator();
    await eventually('the key is gone', async () => (await statusWith(FILE_KEY)) === 401, 1_000);
    const { out } = await tailrace(['groups', 'list', '--json']);
    expect((JSON.parse(out) as { name: string }[]).map(({ name }) => name)).toEqual(['own']);
    expect(await statusWith(stack.apiKey)).toBe(200);
  });

  test('does not bring back a key that was revoked', async () => {
    expect(await tailrace(['keys', 'remove', 'local'])).toMatchObject({ status: 0 });
    await eventually('it is revoked', async () => (await statusWith(stack.apiKey)) === 401, 1_000);
    await restartOrchestrator();
    expect(await statusWith(stack.apiKey)).toBe(401);
  });
});

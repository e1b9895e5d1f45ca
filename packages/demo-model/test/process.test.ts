import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));

async function start(stdio: ('ignore' | 'pipe' | 'inherit' | 'ipc')[]): Promise<{ child: ChildProcess; url: string }> {
  const started = spawn(process.execPath, [main], { env: { ...process.env, PORT: '0' }, stdio });
  child = started;
  if (started.stdout === null) throw new Error('no stdout');
  const [line] = (await once(createInterface(started.stdout), 'line')) as [string];
  return { child: started, url: (JSON.parse(line) as { listening: string }).listening };
}

test('says where it listens, and ends cleanly on SIGTERM with a stream open', async () => {
  const { child, url } = await start(['ignore', 'pipe', 'inherit']);
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'demo', stream: true, messages: [{ role: 'user', content: '!text 2\n!hang 1' }] }),
  });
  expect(response.status).toBe(200);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await expect(response.text()).rejects.toThrow(TypeError);
  expect(await exited).toEqual([0, null]);
});

test('ends when its parent disconnects', async () => {
  const { child } = await start(['ignore', 'pipe', 'inherit', 'ipc']);
  const exited = once(child, 'exit');
  child.disconnect();
  expect(await exited).toEqual([0, null]);
});

test('a bad port is an error of one line', async () => {
  child = spawn(process.execPath, [main], { env: { ...process.env, PORT: 'x' }, stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let text = '';
  for await (const piece of child.stderr ?? []) text += String(piece);
  expect(text).toBe('PORT must be an integer from 0 to 65535, not "x".\n');
  expect(await exited).toEqual([1, null]);
});

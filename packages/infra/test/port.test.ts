import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../src/port.ts';

async function listen(port: number, host: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
}

test('the preferred port is given when it is free, else the next one that is', async () => {
  const port = await freePort();
  expect(await freePort(port)).toBe(port);
  await listen(port, '127.0.0.1');
  expect(await freePort(port)).toBeGreaterThan(port);
});

test('a port that is promised already is not given again', async () => {
  const port = await freePort();
  expect(await freePort(port, '127.0.0.1', new Set([port]))).toBeGreaterThan(port);
});

test('a port taken on all addresses is taken on each', async () => {
  const port = await freePort();
  await listen(port, '0.0.0.0');
  expect(await freePort(port)).toBeGreaterThan(port);
});

test('without a preference the port is outside the ranges of outgoing connections', async () => {
  const port = await freePort();
  expect(port).toBeGreaterThan(1024);
  expect(port).toBeLessThan(32_768);
});

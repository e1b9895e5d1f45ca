/** Readiness: services that are cut off from what they need say so, and come back. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceRole } from '@tailrace/cli';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { startProcess } from './service-process.ts';
import { tcpGate } from './tcp-gate.ts';

const SERVICES: ServiceRole[] = ['gateway', 'orchestrator', 'model-caller', 'tool-runner'];
const SECRET = 'a-secret-of-the-tests';

let stack: TestStack;

beforeAll(async () => {
  stack = await testStack({ env: { TAILRACE_SECRET_KEY: SECRET } });
});
afterAll(() => stack.stop());

describe('readiness tells the truth', () => {
  async function readiness(url: string) {
    const answer = await stack.validatingFetch(`${url}/readyz`);
    const { checks } = (await answer.json()) as { checks: Record<string, string> };
    return { status: answer.status, checks };
  }
  const isReady = (url: string) =>
    eventually(`${url} is ready`, async () => (await readiness(url)).status === 200 || undefined);
  const isNot = (url: string, check: string) =>
    eventually(`${url} is not ready`, async () => {
      const { status, checks } = await readiness(url);
      return status === 503 && checks[check] !== 'ok' && checks;
    });

  test.concurrent.each(SERVICES)('of a %s, about NATS', async (role) => {
    const gate = await tcpGate(stack.natsUrl);
    await using service = await startProcess(role, stack.checks, {
      NATS_URL: gate.through(stack.natsUrl),
      DATABASE_URL: stack.databaseUrl,
      TAILRACE_SECRET_KEY: SECRET,
      ACK_WAIT_MS: '1500',
    });
    await isReady(service.url);
    await gate.shut();
    const checks = await isNot(service.url, 'nats');
    expect(Object.entries(checks).filter(([name]) => name === 'postgres')).toEqual(
      role === 'gateway' || role === 'orchestrator' ? [['postgres', 'ok']] : [],
    );
    expect((await stack.validatingFetch(`${service.url}/healthz`)).status).toBe(200);
    await gate.open();
    await isReady(service.url);
    service.signal('SIGTERM');
    expect(await service.exited).toEqual({ code: 0, signal: null });
    await gate.shut();
  });

  test.concurrent.each(['gateway', 'orchestrator'] as const)('of a %s, about Postgres', async (role) => {
    const gate = await tcpGate(stack.databaseUrl);
    await using service = await startProcess(role, stack.checks, {
      NATS_URL: stack.natsUrl,
      DATABASE_URL: gate.through(stack.databaseUrl),
      TAILRACE_SECRET_KEY: SECRET,
      ACK_WAIT_MS: '1500',
    });
    await isReady(service.url);
    await gate.shut();
    const checks = await isNot(service.url, 'postgres');
    expect(checks.nats).toBe('ok');
    await gate.open();
    await isReady(service.url);
    service.signal('SIGTERM');
    expect(await service.exited).toEqual({ code: 0, signal: null });
    await gate.shut();
  });

  test('a gateway that is cut off answers 503, says when to try again, and makes nothing', async () => {
    const nats = await tcpGate(stack.natsUrl);
    const postgres = await tcpGate(stack.databaseUrl);
    await using gateway = await startProcess('gateway', stack.checks, {
      NATS_URL: nats.through(stack.natsUrl),
      DATABASE_URL: postgres.through(stack.databaseUrl),
      TAILRACE_SECRET_KEY: SECRET,
      NATS_TIMEOUT_MS: '500',
      ACCEPT_TIMEOUT_MS: '800',
    });
    await isReady(gateway.url);
    const ask = (path: string, init: RequestInit = {}) =>
      stack.validatingFetch(`${gateway.url}${path}`, {
        ...init,
        headers: { authorization: `Bearer ${stack.apiKey}`, 'content-type': 'application/json' },
      });
    const expectUnavailable = async (answer: Response) => {
      expect({ status: answer.status, body: await answer.json() }).toMatchObject({
        status: 503,
        body: { error: { type: 'server_error', code: 'unavailable', param: null } },
      });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    };
    const { id } = await stack.openai().responses.create({ model: 'demo', input: script('!text 1').text });
    await postgres.shut();
    await expectUnavailable(await ask(`/v1/responses/${id}`));
    await expectUnavailable(await ask(`/v1/responses/${id}?stream=true`));
    await nats.shut();
    const { text, marker } = script('!text 1');
    const post = { method: 'POST', body: JSON.stringify({ model: 'demo', input: text }) };
    await expectUnavailable(await ask('/v1/responses', post));
    await nats.open();
    await postgres.open();
    await isReady(gateway.url);
    const answer = await ask(`/v1/responses/${id}?stream=true`);
    expect((await readFrames(answer)).frames.map(eventOf).at(-1)?.type).toBe('response.completed');
    const { rows } = await stack.database.query('SELECT id FROM responses WHERE request::text LIKE $1', [
      `%${marker}%`,
    ]);
    expect(rows).toEqual([]);
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    await Promise.all([nats.shut(), postgres.shut()]);
  });

  test('of a gateway, when JetStream has lost everything and nobody takes requests from it', async () => {
    const [url = ''] = stack.gateways;
    await isReady(url);
    await stack.kill('orchestrator', 0);
    await stack.kill('nats', 0);
    await rm(join(stack.dataDir, 'nats'), { recursive: true, force: true });
    await stack.start('nats', 0);
    const checks = await eventually('it is not ready, though NATS answers', async () => {
      const { status, checks } = await readiness(url);
      return status === 503 && checks.nats === 'ok' && checks;
    });
    expect(Object.entries(checks).filter(([, outcome]) => outcome !== 'ok')).toEqual([
      ['jetstream', expect.any(String)],
    ]);
    expect((await readiness(url)).status).toBe(503);
    await stack.start('orchestrator', 0);
    await isReady(url);
    const { status } = await stack.openai().responses.create({ model: 'demo', input: script('!text 1').text });
    expect(status).toBe('completed');
  });
});

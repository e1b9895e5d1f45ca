import { describe, expect, test } from 'vitest';
import { nextDelay } from '../src/back-off.ts';
import { localConfig, mergeConfig, modelNames, upstreamConfig } from '../src/local-config.ts';
import { readSettings, UsageError } from '../src/start-options.ts';
import { welcomeText } from '../src/welcome.ts';

describe('back-off', () => {
  test('doubles from 100 ms to 5 s, and begins anew after 30 s up', () => {
    const delays = [];
    for (let delay = nextDelay(0, 0); delays.length < 8; delay = nextDelay(delay, 1_000)) delays.push(delay);
    expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    expect(nextDelay(5000, 30_000)).toBe(100);
  });
});

describe('the configuration', () => {
  const base = localConfig({ apiKey: 'tr-key', demoModelUrl: 'http://127.0.0.1:9000' });

  test('of the user wins by name, and adds to the rest', () => {
    const own = {
      models: [{ name: 'demo', groups: ['me'] }, { name: 'other' }],
      tools: [{ name: 'mine' }],
      more: true,
    };
    const merged = mergeConfig(base, own);
    expect(modelNames(merged)).toEqual(['demo', 'other']);
    expect(merged.models).toEqual(own.models);
    expect((merged.tools as { name: string }[]).map(({ name }) => name)).toEqual(['mine', 'get_weather', 'get_time']);
    expect(merged.keys).toEqual([{ name: 'local', key: 'tr-key', groups: ['everyone'] }]);
    expect(merged.more).toBe(true);
  });

  test('that is none is refused', () => {
    expect(() => mergeConfig(base, { tools: { name: 'x' } })).toThrow(/"tools" is not a list/);
  });

  test('offers a real model beside the demo model', () => {
    const upstream = { baseUrl: 'http://127.0.0.1:1/v1', model: 'llama' };
    expect(modelNames(mergeConfig(base, upstreamConfig(upstream)))).toEqual(['llama', 'demo']);
  });
});

describe('settings', () => {
  const read = (args: string[], env: NodeJS.ProcessEnv = {}) => readSettings(args, env, '/home/me', '/project');

  test('have defaults', () => {
    expect(read([])).toMatchObject({ dataDir: '/project/.tailrace', fresh: false, host: '127.0.0.1', port: 8080 });
    expect(read([]).replicas).toEqual({ gateway: 1, orchestrator: 1, modelCaller: 1, toolRunner: 1 });
    expect(read([]).upstream).toBeUndefined();
  });

  test('come from the command line and the environment', () => {
    const settings = read(['--fresh', '--data-dir', 'data'], {
      GATEWAYS: '3',
      TOOL_RUNNERS: '2',
      NATS_URL: 'nats://n',
    });
    expect(settings).toMatchObject({ fresh: true, dataDir: '/home/me/data', natsUrl: 'nats://n' });
    expect(settings.replicas).toMatchObject({ gateway: 3, toolRunner: 2 });
  });

  test('that are empty count as not set', () => {
    expect(read([], { GATEWAYS: '', NATS_URL: '' })).toMatchObject({ natsUrl: undefined });
  });

  test.each([
    [{ GATEWAYS: 'two' }, /GATEWAYS has to be a whole number/],
    [{ GATEWAYS: '0' }, /GATEWAYS has to be 1 or more/],
    [{ MODEL_CALLERS: '1.5' }, /MODEL_CALLERS has to be a whole number/],
    [{ TOOL_RUNNERS: '1000' }, /TOOL_RUNNERS can be 32 at most/],
    [{ UPSTREAM_BASE_URL: 'http://x/v1' }, /both UPSTREAM_BASE_URL and UPSTREAM_MODEL/],
    [{ UPSTREAM_BASE_URL: 'x', UPSTREAM_MODEL: 'm' }, /UPSTREAM_BASE_URL has to be/],
  ])('that cannot be are refused: %o', (env, message) => {
    expect(() => read([], env)).toThrow(UsageError);
    expect(() => read([], env)).toThrow(message);
  });

  test('an unknown option is refused', () => {
    expect(() => read(['--frsh'])).toThrow(/--frsh/);
  });
});

test('the welcome has a command to paste', () => {
  const text = welcomeText({
    gateways: ['http://127.0.0.1:8080'],
    apiKey: 'tr-1',
    models: ['demo'],
    dataDir: '.tailrace',
  });
  expect(text).toContain('http://127.0.0.1:8080/v1');
  expect(text).toContain("-H 'Authorization: Bearer tr-1'");
  expect(text).toContain('"model":"demo"');
});

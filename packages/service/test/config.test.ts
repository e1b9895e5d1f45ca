import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigError, commonEnv, env, readEnv, sealingSecret, secretEnv } from '../src/index.ts';

function refusalOf(environment: NodeJS.ProcessEnv): string {
  try {
    readEnv({ ...commonEnv, ...secretEnv }, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('readEnv', () => {
  const defaults = {
    NATS_URL: 'nats://127.0.0.1:4222',
    HOST: '127.0.0.1',
    PORT: 0,
    LOG_LEVEL: 'info',
    PARTITIONS: 1,
    QUEUE_PAYLOAD_BYTES: 16_777_216,
    LOG_MAX_AGE: 86_400_000,
    DUPLICATE_WINDOW_MS: 120_000,
    NATS_REPLICAS: 'auto',
    NATS_TIMEOUT_MS: 5_000,
    DRAIN_MS: 10_000,
  };

  test('has a default for everything that every service reads', () => {
    expect(readEnv(commonEnv, {})).toEqual(defaults);
  });

  test('an empty variable is one that is not set', () => {
    expect(readEnv(commonEnv, { PORT: '', LOG_LEVEL: '', HOST: '' })).toEqual(defaults);
  });

  test('reads numbers, and leaves other variables alone', () => {
    const config = readEnv(commonEnv, { PORT: '8080', DRAIN_MS: '5', LOG_LEVEL: 'silent', PATH: '/bin' });
    expect(config).toEqual({ ...defaults, PORT: 8080, DRAIN_MS: 5, LOG_LEVEL: 'silent' });
  });

  test('a service adds its own', () => {
    const own = { DATABASE_URL: z.string(), WORKERS: env.count(4), WAIT_MS: env.milliseconds(10) };
    expect(readEnv(own, { DATABASE_URL: 'postgres://h/d' })).toEqual({
      DATABASE_URL: 'postgres://h/d',
      WORKERS: 4,
      WAIT_MS: 10,
    });
    expect(() => readEnv(own, {})).toThrow(/DATABASE_URL/);
  });

  test.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', 'http'],
    ['PORT', '80.5'],
    ['PARTITIONS', '0'],
    ['DRAIN_MS', '10s'],
    ['NATS_TIMEOUT_MS', 'Infinity'],
    ['LOG_LEVEL', 'loud'],
    ['ADMIN_API_KEY', 'short'],
    ['TAILRACE_SECRET_KEY', 'too short'],
  ])('refuses %s=%s by name', (name, value) => {
    expect(refusalOf({ [name]: value })).toContain(name);
  });

  test('names every variable that is wrong, and no secret', () => {
    const message = refusalOf({ PORT: 'x', LOG_LEVEL: 'y', ADMIN_API_KEY: 'hush', DRAIN_MS: '1' });
    for (const name of ['PORT', 'LOG_LEVEL', 'ADMIN_API_KEY']) expect(message).toContain(name);
    expect(message).not.toContain('DRAIN_MS');
    expect(message).not.toContain('hush');
  });
});

describe('sealingSecret', () => {
  const own = 'a-secret-of-its-own';
  const admin = 'the-key-of-the-admin';
  test('is its own variable, or the admin key', () => {
    expect(sealingSecret({ TAILRACE_SECRET_KEY: own, ADMIN_API_KEY: admin })).toBe(own);
    expect(sealingSecret({ ADMIN_API_KEY: admin })).toBe(admin);
  });

  test('must be there', () => {
    expect(() => sealingSecret({})).toThrow(ConfigError);
    expect(() => sealingSecret(readEnv(secretEnv, { TAILRACE_SECRET_KEY: '' }))).toThrow('TAILRACE_SECRET_KEY');
  });
});

describe('a duration', () => {
  test.each([
    ['24h', 86_400_000],
    ['90s', 90_000],
    ['1500ms', 1_500],
    ['2d', 172_800_000],
    ['5m', 300_000],
    ['60000', 60_000],
  ])('%s is %d ms', (text, expected) => {
    expect(readEnv(commonEnv, { LOG_MAX_AGE: text }).LOG_MAX_AGE).toBe(expected);
  });

  test.each(['soon', '1 h', '-1s', '10ms'])('%s is refused, and the variable named', (text) => {
    expect(() => readEnv(commonEnv, { LOG_MAX_AGE: text })).toThrow(/LOG_MAX_AGE/);
  });
});

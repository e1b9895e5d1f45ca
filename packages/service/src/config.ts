import { z } from 'zod';

/** What is wrong with the environment, for an operator to read. */
export class ConfigError extends Error {
  constructor(reason: string) {
    super(`The environment is not right:\n${reason}`);
    this.name = 'ConfigError';
  }
}

const milliseconds = (fallback: number) => z.coerce.number().int().min(1).default(fallback);
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(\d+)(ms|s|m|h|d)?$/;

/** `24h`, `90s`, `500ms`; a number alone is milliseconds. */
const duration = (fallback: string) =>
  z
    .string()
    .regex(DURATION, 'a duration is a number and a unit, as in 24h; the units are ms, s, m, h and d')
    .default(fallback)
    .transform((text) => {
      const [, amount, unit] = DURATION.exec(text) ?? [];
      return Number(amount) * UNIT_MS[(unit as keyof typeof UNIT_MS | undefined) ?? 'ms'];
    })
    .pipe(z.number().min(1_000, 'less than a second is too short'));

/** Entries between commas; none by default. */
const list = () =>
  z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== ''),
    );

const count = (fallback: number) => z.coerce.number().int().min(1).default(fallback);

/** The variables that every service reads; the README's table lists them. */
export const commonEnv = {
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  PARTITIONS: count(1),
  NATS_REPLICAS: z.union([z.literal('auto'), z.coerce.number().int().min(1).max(5)]).default('auto'),
  LOG_MAX_AGE: duration('24h'),
  DUPLICATE_WINDOW_MS: milliseconds(120_000),
  NATS_TIMEOUT_MS: milliseconds(5_000),
  QUEUE_PAYLOAD_BYTES: count(16 * 1024 * 1024),
  DRAIN_MS: milliseconds(10_000),
};

/** Building blocks for the variables of one service. */
export const env = { milliseconds, count, duration, list };

/** Names the installation's key for secrets: its own variable, or the admin key. */
export const secretEnv = {
  TAILRACE_SECRET_KEY: z.string().min(16).optional(),
  ADMIN_API_KEY: z.string().min(8).optional(),
};

/**
 * The secret that seals the registry.
 * @throws ConfigError when neither variable is set.
 */
export function sealingSecret(config: {
  TAILRACE_SECRET_KEY?: string | undefined;
  ADMIN_API_KEY?: string | undefined;
}): string {
  const secret = config.TAILRACE_SECRET_KEY ?? config.ADMIN_API_KEY;
  if (!secret) throw new ConfigError('TAILRACE_SECRET_KEY (or ADMIN_API_KEY) must be set: it seals the registry.');
  return secret;
}

/**
 * The environment, checked. Empty variables count as not set.
 * @throws ConfigError that names every variable that is wrong.
 */
export function readEnv<Shape extends z.ZodRawShape>(
  shape: Shape,
  environment: NodeJS.ProcessEnv = process.env,
): z.output<z.ZodObject<Shape>> {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const result = z.object(shape).safeParse(set);
  if (!result.success) throw new ConfigError(z.prettifyError(result.error));
  return result.data;
}

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Replicas } from './role.ts';

/** What `npm start -- --help` prints. */
export const USAGE = `Usage: npm start [-- OPTIONS]

Starts Tailrace with everything it stands on, and prints an address and a key.

  --data-dir DIR   keep the data in DIR in place of .tailrace
  --fresh          begin with empty data
  --help           show this

Environment:
  GATEWAYS, ORCHESTRATORS, MODEL_CALLERS, TOOL_RUNNERS
                   how many of each (1)
  HOST, PORT       address the gateways listen on (127.0.0.1), and the first port to try (8080)
  UPSTREAM_BASE_URL, UPSTREAM_API_KEY, UPSTREAM_MODEL
                   a chat-completions server to offer beside the demo model
  NATS_URL, DATABASE_URL
                   servers to use in place of embedded ones
  TAILRACE_CONFIG  YAML or JSON file with more keys, groups, models, tools and webhooks
  ADMIN_API_KEY, TAILRACE_SECRET_KEY
                   made and kept in the data directory when not set
  LOG_LEVEL        of the services' logs, in DIR/logs (info)
`;

/** What the command line and the environment ask for. */
export interface StartSettings {
  readonly help: boolean;
  readonly fresh: boolean;
  /** Absolute. */
  readonly dataDir: string;
  readonly replicas: Replicas;
  readonly host: string;
  readonly port: number;
  readonly natsUrl?: string | undefined;
  readonly databaseUrl?: string | undefined;
  readonly adminKey?: string | undefined;
  readonly secretKey?: string | undefined;
  /** Absolute path of the user's own configuration. */
  readonly configFile?: string | undefined;
  readonly upstream?:
    | { readonly baseUrl: string; readonly apiKey?: string | undefined; readonly model: string }
    | undefined;
}

/** The command line or the environment asks for something that cannot be. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

const MOST_REPLICAS = 32;
const replicas = (name: string) =>
  z.coerce
    .number(`${name} has to be a whole number from 1 to ${MOST_REPLICAS}`)
    .int(`${name} has to be a whole number from 1 to ${MOST_REPLICAS}`)
    .min(1, `${name} has to be 1 or more`)
    .max(MOST_REPLICAS, `${name} can be ${MOST_REPLICAS} at most`)
    .default(1);

const environment = z.object({
  GATEWAYS: replicas('GATEWAYS'),
  ORCHESTRATORS: replicas('ORCHESTRATORS'),
  MODEL_CALLERS: replicas('MODEL_CALLERS'),
  TOOL_RUNNERS: replicas('TOOL_RUNNERS'),
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number('PORT has to be a number').int().min(1).max(65_535).default(8080),
  NATS_URL: z.string().optional(),
  DATABASE_URL: z.string().optional(),
  ADMIN_API_KEY: z.string().optional(),
  TAILRACE_SECRET_KEY: z.string().optional(),
  TAILRACE_CONFIG: z.string().optional(),
  UPSTREAM_BASE_URL: z
    .url({ protocol: /^https?$/, error: 'UPSTREAM_BASE_URL has to be an http or https address' })
    .optional(),
  UPSTREAM_API_KEY: z.string().optional(),
  UPSTREAM_MODEL: z.string().optional(),
});

/**
 * Reads the command line and the environment; variables that are empty count as not set.
 *
 * @param cwd what relative paths start from.
 * @throws UsageError with one line for each thing that is wrong.
 */
export function readSettings(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
  root: string,
): StartSettings {
  const flags = readFlags(args);
  const parsed = environment.safeParse(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')));
  if (!parsed.success) throw new UsageError(parsed.error.issues.map((issue) => `${issue.message}.`).join('\n'));
  const set = parsed.data;
  return {
    help: flags.help,
    fresh: flags.fresh,
    dataDir: flags.dataDir === undefined ? resolve(root, '.tailrace') : resolve(cwd, flags.dataDir),
    replicas: {
      gateway: set.GATEWAYS,
      orchestrator: set.ORCHESTRATORS,
      modelCaller: set.MODEL_CALLERS,
      toolRunner: set.TOOL_RUNNERS,
    },
    host: set.HOST,
    port: set.PORT,
    natsUrl: set.NATS_URL,
    databaseUrl: set.DATABASE_URL,
    adminKey: set.ADMIN_API_KEY,
    secretKey: set.TAILRACE_SECRET_KEY,
    configFile: set.TAILRACE_CONFIG === undefined ? undefined : resolve(cwd, set.TAILRACE_CONFIG),
    upstream: readUpstream(set),
  };
}

function readFlags(args: readonly string[]): { help: boolean; fresh: boolean; dataDir: string | undefined } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        fresh: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        'data-dir': { type: 'string' },
      },
    });
    if (values['data-dir'] === '') throw new UsageError('--data-dir needs the name of a folder.');
    return { help: values.help, fresh: values.fresh, dataDir: values['data-dir'] };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readUpstream(set: z.output<typeof environment>): StartSettings['upstream'] {
  const { UPSTREAM_BASE_URL: baseUrl, UPSTREAM_API_KEY: apiKey, UPSTREAM_MODEL: model } = set;
  if (baseUrl === undefined && model === undefined) return undefined;
  if (baseUrl === undefined || model === undefined) {
    throw new UsageError('A model of your own needs both UPSTREAM_BASE_URL and UPSTREAM_MODEL.');
  }
  return { baseUrl, apiKey, model };
}

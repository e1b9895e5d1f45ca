import { fileURLToPath } from 'node:url';
import type { Log } from '@tailrace/infra';
import type { LocalConfig } from './local-config.ts';
import type { Replicas, Role, ServiceRole } from './role.ts';

/** Something a start has begun or finished, for people to see. */
export interface Progress {
  /** `PostgreSQL`, `gateway 1`. */
  readonly name: string;
  readonly state: 'starting' | 'ready';
  /** Where it is, or what it did. */
  readonly detail?: string | undefined;
}

/** How to start a stack. */
export interface StackOptions {
  /** Folder of everything that is kept; made when needed. Only one stack at a time may use it. */
  readonly dataDir: string;
  /** One of each by default. */
  readonly replicas?: Partial<Replicas> | undefined;
  /** A NATS that runs already, in place of one of the stack's own. */
  readonly natsUrl?: string | undefined;
  /** A Postgres database that is there already, in place of a server of the stack's own. */
  readonly databaseUrl?: string | undefined;
  /** More environment for every service. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** More environment for single processes; wins over `env`. */
  readonly envFor?: ((role: Role, index: number) => Readonly<Record<string, string>>) | undefined;
  /** More configuration; of two entries with one name, this one's stays. */
  readonly config?: LocalConfig | undefined;
  /** Start what ends by itself again; true by default. */
  readonly restart?: boolean | undefined;
  /** For throw-away data: Postgres does not wait for the disk. */
  readonly fastPostgres?: boolean | undefined;
  /** Begin with empty data. */
  readonly fresh?: boolean | undefined;
  /** Start the demo model; true by default. */
  readonly demoModel?: boolean | undefined;
  /** First port to try for the gateways; the others follow. Any free ones by default. */
  readonly gatewayPort?: number | undefined;
  /** Address the gateways listen on; 127.0.0.1 by default. Everything else listens on 127.0.0.1. */
  readonly host?: string | undefined;
  /** What an operator sends; made and kept by default. */
  readonly adminKey?: string | undefined;
  /** What seals secrets at rest; made and kept by default. */
  readonly secretKey?: string | undefined;
  readonly log: Log;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Stops the start, and everything it has started, when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** The programs; the project's own by default. */
  readonly scripts?: Readonly<Record<ServiceRole | 'demo-model', string>> | undefined;
  /** Brings the database up to date; the project's own migrations by default. */
  readonly migrate?: ((databaseUrl: string) => Promise<{ readonly applied: readonly string[] }>) | undefined;
}

const root = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** The project's own programs. */
export const SCRIPTS: Readonly<Record<ServiceRole | 'demo-model', string>> = {
  gateway: root('services/gateway/src/main.ts'),
  orchestrator: root('services/orchestrator/src/main.ts'),
  'model-caller': root('services/model-caller/src/main.ts'),
  'tool-runner': root('services/tool-runner/src/main.ts'),
  'demo-model': root('packages/demo-model/src/main.ts'),
};

/** The project's own migrations; loaded only when they are needed. */
export async function migrateDatabase(databaseUrl: string): Promise<{ readonly applied: readonly string[] }> {
  const { migrate } = await import('@tailrace/database');
  return migrate(databaseUrl);
}

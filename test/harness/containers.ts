/** Servers from images, by testcontainers. Whatever it takes to reach Docker is in its own environment variables. */
import { fileURLToPath } from 'node:url';
import { GenericContainer, Wait } from 'testcontainers';
import { log, type StackNats, type TestInfra } from './infra.ts';

const POSTGRES_PORT = 5432;
const NATS_PORT = 4222;
const USER = 'postgres';
const PASSWORD = 'throw-away';
const NATS_CONFIG = fileURLToPath(new URL('../../deploy/nats.conf', import.meta.url));
const SHARED_MEMORY_BYTES = 256 * 1024 * 1024;

/** Nothing outlives a test run, so Postgres does not wait for the disk. Several stacks share it. */
const POSTGRES_SETTINGS = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=200'];

/**
 * One Postgres from `TEST_POSTGRES_IMAGE` (`postgres:18-alpine`) for all test files. Both images are there afterwards: no
 * test's time is spent on fetching one.
 */
export async function containerInfra(): Promise<TestInfra> {
  log(`Containers: ${postgresImage()}, ${natsImage()}`);
  const [postgres] = await Promise.all([startPostgres(), startContainerNats().then((nats) => nats.stop())]);
  return {
    kind: 'containers',
    postgresUrl: `postgres://${USER}:${PASSWORD}@${postgres.getHost()}:${postgres.getMappedPort(POSTGRES_PORT)}/postgres`,
    async stop() {
      await postgres.stop();
    },
  };
}

/** A NATS with JetStream from `TEST_NATS_IMAGE` (`nats:2.14-alpine`), with the configuration of `docker-compose.yml`. */
export async function startContainerNats(): Promise<StackNats> {
  const container = await new GenericContainer(natsImage())
    .withCommand(['--config', '/etc/nats/tailrace.conf'])
    .withCopyFilesToContainer([{ source: NATS_CONFIG, target: '/etc/nats/tailrace.conf' }])
    .withExposedPorts(NATS_PORT)
    .withWaitStrategy(Wait.forLogMessage('Server is ready'))
    .start();
  return {
    url: `nats://${container.getHost()}:${container.getMappedPort(NATS_PORT)}`,
    async stop() {
      await container.stop();
    },
  };
}

function startPostgres() {
  // Over TCP: while the data directory is being made, the server listens on its socket only.
  const test: ['CMD', ...string[]] = ['CMD', 'pg_isready', '-q', '-h', '127.0.0.1', '-U', USER];
  return new GenericContainer(postgresImage())
    .withEnvironment({ POSTGRES_USER: USER, POSTGRES_PASSWORD: PASSWORD })
    .withCommand(['postgres', ...POSTGRES_SETTINGS.flatMap((setting) => ['-c', setting])])
    .withExposedPorts(POSTGRES_PORT)
    .withSharedMemorySize(SHARED_MEMORY_BYTES)
    .withHealthCheck({ test: [...test], interval: 500, timeout: 3_000, retries: 120 })
    .withWaitStrategy(Wait.forHealthCheck())
    .start();
}

const postgresImage = () => process.env.TEST_POSTGRES_IMAGE || 'postgres:18-alpine';
const natsImage = () => process.env.TEST_NATS_IMAGE || 'nats:2.14-alpine';

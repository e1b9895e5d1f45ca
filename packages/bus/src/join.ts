import { type JoinLog, WARNINGS } from './bus-log.ts';
import { isDoubtfulMember } from './cluster-version.ts';
import { type Bus, connectBus } from './connection.ts';
import { contested } from './contested.ts';
import { ensureStreams } from './streams.ts';

/** The environment's say about NATS, which is the same in every service. */
export interface BusEnvironment {
  NATS_URL: string;
  NATS_TIMEOUT_MS: number;
  PARTITIONS: number;
  NATS_REPLICAS: number | 'auto';
  /** Milliseconds. */
  LOG_MAX_AGE: number;
  DUPLICATE_WINDOW_MS: number;
  QUEUE_PAYLOAD_BYTES?: number;
}

/**
 * Connects a service, and sees to it that the streams are there. `name` shows in the server's monitoring; what no caller
 * hears goes to `log`, and without one to the process's warnings.
 */
export async function joinBus(environment: BusEnvironment, name: string, log: JoinLog = WARNINGS): Promise<Bus> {
  const bus = await connectBus({
    url: environment.NATS_URL,
    name,
    timeoutMs: environment.NATS_TIMEOUT_MS,
    ...(environment.QUEUE_PAYLOAD_BYTES === undefined ? {} : { payloadBytes: environment.QUEUE_PAYLOAD_BYTES }),
    log,
  });
  const { info } = bus.nc;
  if (info && isDoubtfulMember(info)) {
    log.warn(
      { version: info.version },
      'this nats-server is not known to keep what a cluster has acknowledged when its members are killed; use 2.14 or later',
    );
  }
  const options = {
    partitions: environment.PARTITIONS,
    replicas: environment.NATS_REPLICAS,
    logMaxAgeMs: environment.LOG_MAX_AGE,
    duplicateWindowMs: environment.DUPLICATE_WINDOW_MS,
  };
  const joined: Bus = { ...bus, prepare: () => ensureStreams(bus, options) };
  await contested(joined.prepare);
  return joined;
}

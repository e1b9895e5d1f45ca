import { isDeepStrictEqual } from 'node:util';
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import type { Bus } from './connection.ts';
import { CALLS_STREAM, CHAIN_STREAM, DEAD_STREAM, DEAD_SUBJECT, logStream, WORK_STREAM } from './subjects.ts';

/** What an installation decides about its streams. */
export interface StreamOptions {
  partitions: number;
  /** Copies of each stream; `auto`: three where the servers that the connection knows of can hold them. */
  replicas?: number | 'auto';
  /** How long a log and its blobs are kept, in milliseconds. */
  logMaxAgeMs: number;
  /** How long JetStream remembers the id of a published message, in milliseconds. */
  duplicateWindowMs: number;
}

/** The installation's streams are not what this process is configured for: it would lose or misplace messages. */
export class StreamMismatch extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'StreamMismatch';
  }
}

/**
 * Creates the streams that are not there and brings the others up to date. Any number of processes may do so at once.
 * @throws StreamMismatch for an installation with another number of partitions, and for copies that a server cannot hold.
 */
export async function ensureStreams(bus: Bus, options: StreamOptions): Promise<void> {
  const replicas = replicasFor(bus, options.replicas);
  await checkPartitions(bus.jsm, options.partitions);
  const common = {
    num_replicas: replicas,
    storage: StorageType.File,
    duplicate_window: nanos(options.duplicateWindowMs),
  };
  const queue = { ...common, retention: RetentionPolicy.Workqueue, discard: DiscardPolicy.New };
  await ensureStream(bus.jsm, { ...queue, name: CHAIN_STREAM, subjects: ['tr.chain.>'] });
  await ensureStream(bus.jsm, { ...queue, name: WORK_STREAM, subjects: ['tr.work.>'] });
  await ensureStream(bus.jsm, { ...queue, name: DEAD_STREAM, subjects: [DEAD_SUBJECT] });
  await ensureStream(bus.jsm, { ...queue, name: CALLS_STREAM, subjects: ['tr.calls.*'] });
  // The first one last: where it is, all of its installation are.
  for (let partition = options.partitions - 1; partition >= 0; partition -= 1) {
    await ensureStream(bus.jsm, {
      ...common,
      name: logStream(partition),
      subjects: [`tr.log.${partition}.*`],
      retention: RetentionPolicy.Limits,
      max_age: nanos(options.logMaxAgeMs),
      // A stream cannot remember ids for longer than messages.
      duplicate_window: nanos(Math.min(options.duplicateWindowMs, options.logMaxAgeMs)),
      allow_direct: true,
      republish: { src: `tr.log.${partition}.*`, dest: `tr.tail.${partition}.{{wildcard(1)}}` },
    });
  }
  await bus.blobs.ensure({ replicas, ttlMs: options.logMaxAgeMs });
}

/** Which partition a response is in follows from their number: with another one its log would not be found. */
async function checkPartitions(jsm: JetStreamManager, partitions: number): Promise<void> {
  const [first, last, beyond] = await Promise.all([
    exists(jsm, logStream(0)),
    exists(jsm, logStream(partitions - 1)),
    exists(jsm, logStream(partitions)),
  ]);
  if (!beyond && (!first || last)) return;
  const found = beyond ? 'more' : 'fewer';
  throw new StreamMismatch(
    `PARTITIONS is ${partitions}, but this installation was made with ${found}: the number cannot be changed.`,
  );
}

async function exists(jsm: JetStreamManager, stream: string): Promise<boolean> {
  try {
    await jsm.streams.info(stream);
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return false;
    throw error;
  }
}

/**
 * Three copies where a cluster can hold them, one on a single server: asking that for three would break the stream.
 * @throws StreamMismatch when it is asked for all the same.
 */
export function replicasFor(bus: Bus, wanted: number | 'auto' = 'auto'): number {
  const info = bus.nc.info;
  if (wanted !== 'auto') {
    if (wanted > 1 && info?.cluster === undefined) {
      throw new StreamMismatch(`NATS_REPLICAS is ${wanted}, but the NATS server is not part of a cluster.`);
    }
    return wanted;
  }
  const servers = new Set([...(info?.connect_urls ?? [])]).size;
  return info?.cluster !== undefined && servers >= 3 ? 3 : 1;
}

async function ensureStream(jsm: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  const { num_replicas: _kept, ...changeable } = config;
  try {
    const { config: current } = await jsm.streams.info(config.name);
    // An update is a vote of the whole cluster: not for nothing.
    if (isDeepStrictEqual({ ...current, ...changeable }, current)) return;
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound) throw error;
    await jsm.streams.add(config);
    return;
  }
  await jsm.streams.update(config.name, changeable);
}

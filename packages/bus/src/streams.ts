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
import { CHAIN_STREAM, DEAD_STREAM, DEAD_SUBJECT, logStream, WORK_STREAM } from './subjects.ts';

/** What an installation decides about its streams. */
export interface StreamOptions {
  partitions: number;
  /** How long a log and its blobs are kept, in milliseconds. */
  logMaxAgeMs: number;
  /** How long JetStream remembers the id of a published message, in milliseconds. */
  duplicateWindowMs: number;
}

/** Creates the streams that are not there and brings the others up to date. Any number of processes may do so at once. */
export async function ensureStreams(bus: Bus, options: StreamOptions): Promise<void> {
  const replicas = replicasFor(bus);
  const common = {
    num_replicas: replicas,
    storage: StorageType.File,
    duplicate_window: nanos(options.duplicateWindowMs),
  };
  const queue = { ...common, retention: RetentionPolicy.Workqueue, discard: DiscardPolicy.New };
  await ensureStream(bus.jsm, { ...queue, name: CHAIN_STREAM, subjects: ['tr.chain.>'] });
  await ensureStream(bus.jsm, { ...queue, name: WORK_STREAM, subjects: ['tr.work.>'] });
  await ensureStream(bus.jsm, { ...queue, name: DEAD_STREAM, subjects: [DEAD_SUBJECT] });
  for (let partition = 0; partition < options.partitions; partition += 1) {
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

/** Three copies where a cluster can hold them, one on a single server: asking that for three would break the stream. */
export function replicasFor(bus: Bus): number {
  const info = bus.nc.info;
  const servers = new Set([...(info?.connect_urls ?? [])]).size;
  return info?.cluster !== undefined && servers >= 3 ? 3 : 1;
}

async function ensureStream(jsm: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  try {
    await jsm.streams.info(config.name);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound) throw error;
    await jsm.streams.add(config);
    return;
  }
  const { num_replicas: _kept, ...changeable } = config;
  await jsm.streams.update(config.name, changeable);
}

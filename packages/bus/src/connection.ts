import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { BlobStore } from './blob.ts';
import { type BusLog, WARNINGS } from './bus-log.ts';
import { PayloadRoom } from './payload-room.ts';
import { AckedPublisher } from './publisher.ts';

/** What a process has of NATS: one connection, and what stands on it. */
export interface Bus {
  nc: NatsConnection;
  js: JetStreamClient;
  jsm: JetStreamManager;
  /** Where what no caller hears is told. */
  log: BusLog;
  publisher: AckedPublisher;
  blobs: BlobStore;
  /** What queues hold of large messages, all together. */
  room: PayloadRoom;
  /** Whether the connection is up at this moment. */
  connected(): boolean;
  /** Calls back each time a lost connection has been made again. */
  onReconnect(callback: () => void): () => void;
  /** Sees to it that the streams are there, also after the server has lost them. */
  prepare(): Promise<void>;
  close(): Promise<void>;
}

/** How to reach NATS. */
export interface BusOptions {
  /** One or more URLs, separated by commas. */
  url: string;
  /** The name that shows in the server's monitoring. */
  name: string;
  /** Milliseconds until a JetStream publish or request without an answer counts as failed. */
  timeoutMs?: number;
  /** Bytes of large messages that queues hold at once; 16 MiB by default. */
  payloadBytes?: number;
  /** The process's warnings by default. */
  log?: BusLog;
}

const PAYLOAD_BYTES = 16 * 1024 * 1024;

/** Connects, and goes on reconnecting for ever; the first connection is waited for just as patiently. */
export async function connectBus(options: BusOptions): Promise<Bus> {
  const timeout = options.timeoutMs ?? 5_000;
  const log = options.log ?? WARNINGS;
  const nc = await connect({
    servers: options.url.split(','),
    name: options.name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    waitOnFirstConnect: true,
    pingInterval: 5_000,
    maxPingOut: 2,
  });
  let up = true;
  const callbacks = new Set<() => void>();
  const watching = (async () => {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') up = false;
      if (status.type !== 'reconnect') continue;
      up = true;
      for (const callback of callbacks) callback();
    }
  })();
  const js = jetstream(nc, { timeout });
  const jsm = await jetstreamManager(nc, { timeout, checkAPI: false });
  const publisher = new AckedPublisher({ nc, log }, timeout);
  return {
    nc,
    js,
    jsm,
    log,
    publisher,
    blobs: new BlobStore(js),
    room: new PayloadRoom(options.payloadBytes ?? PAYLOAD_BYTES),
    connected: () => up && !nc.isClosed(),
    onReconnect(callback) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    // Which streams there are is known to whoever joins as a service.
    prepare: () => Promise.resolve(),
    async close() {
      publisher.close();
      await nc.close();
      up = false;
      await watching;
    },
  };
}

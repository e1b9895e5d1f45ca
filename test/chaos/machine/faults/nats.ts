import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';

const CONNECT_MS = 5_000;
const ANSWER_MS = 2_000;

/** A connection that is not made again when it is lost. @throws when there is none within 5 s. */
export function connectOnce(url: string): Promise<NatsConnection> {
  return connect({ servers: url.split(','), name: 'chaos', timeout: CONNECT_MS, reconnect: false });
}

/** Asks JetStream something on a connection of its own. @throws whatever it throws, and when nothing answers within 2 s. */
export async function withJetStream<T>(url: string, use: (jsm: JetStreamManager) => Promise<T>): Promise<T> {
  const nc = await connectOnce(url);
  try {
    return await use(await jetstreamManager(nc, { timeout: ANSWER_MS, checkAPI: false }));
  } finally {
    await nc.close();
  }
}

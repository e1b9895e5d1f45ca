/** Streams that are full. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  jetstream,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Heal } from './fault.ts';
import { connectOnce } from './nats.ts';
import type { ChaosSystem } from './system.ts';

// Older servers delete what is beyond a new limit, so there has to be room for what comes between looking and setting it.
const ROOM_BYTES = 4 * 1024 * 1024;
const FIRST_FILLING_BYTES = 64 * 1024;
const TOP_UP_MS = 50;
const STREAM_IS_FULL = 10_077;

/** A subject of each stream that nobody reads. */
const DEAD_SUBJECTS: ReadonlyMap<string, string> = new Map([
  ['TR_CHAIN', 'tr.chain.chaos'],
  ['TR_WORK', 'tr.work.chaos'],
  ['TR_LOG_0', 'tr.log.0.chaos'],
]);

/** By their kinds. */
export const JETSTREAM_FAULTS = {
  /** Every publish to the stream is refused, as when the server's disk is full. What it holds stays. */
  'jetstream-full': async ({ infra }: ChaosSystem, stream: string): Promise<Heal> => {
    const subject = DEAD_SUBJECTS.get(stream);
    if (subject === undefined) throw new Error(`there is no stream ${stream}`);
    const nc = await connectOnce(infra.natsUrl);
    const js = jetstream(nc);
    const jsm = await js.jetstreamManager(false);
    const { config, state } = await jsm.streams.info(stream);
    const { max_bytes, discard } = config;
    const done = new AbortController();
    const restore = async () => {
      await jsm.streams.update(stream, { max_bytes, discard });
      await jsm.streams.purge(stream, { filter: subject });
    };
    try {
      await jsm.streams.update(stream, { max_bytes: state.bytes + ROOM_BYTES, discard: DiscardPolicy.New });
      await fill(js, subject);
    } catch (error) {
      await restoreAndClose(nc, restore);
      throw error;
    }
    const topped = keepFull(js, subject, done.signal);
    void Promise.allSettled([topped]);
    let healed: Promise<void> | undefined;
    return () => {
      done.abort();
      healed ??= Promise.allSettled([topped]).then(() => restoreAndClose(nc, restore));
      return healed;
    };
  },
};

async function restoreAndClose(nc: NatsConnection, restore: () => Promise<void>): Promise<void> {
  try {
    await restore();
  } catch (error) {
    // A stream that has gone in the meantime is not full any more.
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound) throw error;
  } finally {
    await nc.close();
  }
}

/** Fills the room that is left, to the last byte that a message can have. */
async function fill(js: JetStreamClient, subject: string): Promise<void> {
  for (let bytes = FIRST_FILLING_BYTES; bytes >= 1; ) {
    if (await isRefused(js, subject, new Uint8Array(bytes))) bytes = Math.floor(bytes / 4);
  }
}

/** Work that is taken off a queue makes room; it is taken up at once. */
async function keepFull(js: JetStreamClient, subject: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await fill(js, subject);
    await sleep(TOP_UP_MS);
  }
}

async function isRefused(js: JetStreamClient, subject: string, payload: Uint8Array): Promise<boolean> {
  try {
    await js.publish(subject, payload);
    return false;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_IS_FULL) return true;
    throw error;
  }
}

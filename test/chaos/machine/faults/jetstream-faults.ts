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

// Servers as old as 2.9 delete what is beyond a new limit, so there has to be room for what comes between looking and
// setting it. And it is a limit of messages, since at a limit of bytes they delete old messages, whatever `discard` says.
const ROOM_MESSAGES = 2_000;
const FILL_AT_ONCE = 100;
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
    const { max_msgs, discard } = config;
    const done = new AbortController();
    const restore = async () => {
      await jsm.streams.update(stream, { max_msgs, discard });
      await jsm.streams.purge(stream, { filter: subject });
    };
    try {
      await jsm.streams.update(stream, { max_msgs: state.messages + ROOM_MESSAGES, discard: DiscardPolicy.New });
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

/** Fills the room that is left. */
async function fill(js: JetStreamClient, subject: string): Promise<void> {
  for (let isFull = false; !isFull; ) {
    const refused = await Promise.all(Array.from({ length: FILL_AT_ONCE }, () => isRefused(js, subject)));
    isFull = refused.includes(true);
  }
}

/** Work that is taken off a queue makes room; it is taken up at once. */
async function keepFull(js: JetStreamClient, subject: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await fill(js, subject);
    await sleep(TOP_UP_MS);
  }
}

async function isRefused(js: JetStreamClient, subject: string): Promise<boolean> {
  try {
    await js.publish(subject);
    return false;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_IS_FULL) return true;
    throw error;
  }
}

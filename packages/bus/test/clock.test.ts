/** The wall clock may be set at any time: what waits is timed by the monotonic one. */
import type { Msg, NatsConnection, SubscriptionOptions } from '@nats-io/nats-core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Bus } from '../src/connection.ts';
import { AckedPublisher, PublishUncertain } from '../src/publisher.ts';
import { Pull } from '../src/pull.ts';

const HOUR_MS = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A connection that sends nothing: what was published is kept, and an answer can be made up. */
class SilentConnection {
  readonly published: { subject: string; reply: string }[] = [];
  readonly log = {
    error({ err }: { err: unknown }) {
      throw err;
    },
  };
  #callback: SubscriptionOptions['callback'];

  readonly nc = {
    subscribe: (_subject: string, options: SubscriptionOptions) => {
      this.#callback = options.callback;
      return { unsubscribe: () => undefined };
    },
    publish: (subject: string, _payload: unknown, { reply }: { reply: string }) => {
      this.published.push({ subject, reply });
    },
  } as unknown as NatsConnection;

  /** Answers what was published last. */
  answer(body: unknown): void {
    const subject = this.published.at(-1)?.reply;
    this.#callback?.(null, { subject, data: Buffer.from(JSON.stringify(body)) } as unknown as Msg);
  }
}

describe.each([
  ['ahead', HOUR_MS],
  ['back', -HOUR_MS],
])('a clock that is set an hour %s', (_, offset) => {
  const setClock = () => vi.setSystemTime(Date.now() + offset);

  test('gives no publish up, and keeps none waiting', async () => {
    const connection = new SilentConnection();
    const publisher = new AckedPublisher(connection, 5_000);
    const answered = publisher.publish('tr.chain.0.create', new Uint8Array());
    setClock();
    await vi.advanceTimersByTimeAsync(1_000);
    connection.answer({ stream: 'TR_CHAIN', seq: 7 });
    expect(await answered).toEqual({ stream: 'TR_CHAIN', seq: 7, duplicate: false });

    const refused = expect(publisher.publish('tr.chain.0.create', new Uint8Array())).rejects.toThrow(PublishUncertain);
    vi.setSystemTime(Date.now() - offset);
    await vi.advanceTimersByTimeAsync(6_000);
    await refused;
    publisher.close();
  });

  test('makes no queue look silent, and hides no silence', async () => {
    const connection = new SilentConnection();
    const troubles: string[] = [];
    const bus = {
      nc: connection.nc,
      log: connection.log,
      connected: () => true,
      onReconnect: () => () => undefined,
    } as unknown as Bus;
    const pull = new Pull(bus, {
      stream: 'TR_WORK',
      durable: 'model-demo',
      free: () => 2,
      onMessage: () => undefined,
      onTrouble: (reason) => troubles.push(reason),
    });
    pull.ask();
    setClock();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(troubles).toEqual([]);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(troubles).toEqual(['it is silent']);
    pull.close();
  });
});

import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import type { BusLog } from './bus-log.ts';

/** What listens, and where it tells of what goes wrong. */
export interface Listening {
  nc: Pick<NatsConnection, 'subscribe'>;
  log: BusLog;
}

/**
 * Listens on a subject. The one way to do so: an error that `handle` throws, or rejects with, is logged with the subject of
 * its message, and the next message is handled all the same. Thrown into the client library it would end its reader, and
 * nothing would be heard on any subject until the connection had been given up and made again.
 *
 * The library tells of one error by itself: the server does not permit the subscription. It is closed then, and this
 * process hears nothing on the subject any more.
 */
export function subscribe(
  { nc, log }: Listening,
  subject: string,
  handle: (message: Msg) => void | Promise<void>,
  options: { queue?: string } = {},
): Subscription {
  return nc.subscribe(subject, {
    ...options,
    callback: (error, message) => {
      if (error) {
        log.error({ err: error, subject }, 'nothing is heard on a subject any more');
        return;
      }
      const failed = (failure: unknown) =>
        log.error({ err: failure, subject: message.subject }, 'a message could not be handled');
      try {
        handle(message)?.catch(failed);
      } catch (failure) {
        failed(failure);
      }
    },
  });
}

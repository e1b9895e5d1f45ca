/** Answers questions that one process of many is to answer: so many at once, and the others not at all. */
import type { Msg } from '@nats-io/nats-core';
import { type Listening, subscribe } from './subscribe.ts';

/** How a desk works. */
export interface DeskOptions {
  subject: string;
  /** The processes that share the questions. */
  queue: string;
  /** The most questions that are being answered at once. */
  most: number;
  /** Answers a question. One that is rejected with stays open; it is logged. */
  answer(message: Msg): Promise<void>;
  /** A question comes that there is no hand for. */
  refuse(message: Msg): void;
}

/** See the file's head. */
export interface Desk {
  /** How many questions are being answered. */
  readonly open: number;
  /** Takes no more questions; resolves when those that were taken are answered. */
  stop(): Promise<void>;
}

/** Opens a desk, which is open until it is stopped or the connection is closed. */
export function openDesk(listening: Listening, options: DeskOptions): Desk {
  const { subject, queue, most, answer, refuse } = options;
  const open = new Set<Promise<void>>();
  const take = (message: Msg): void | Promise<void> => {
    if (open.size >= most) return refuse(message);
    const answered = answer(message).finally(() => open.delete(answered));
    open.add(answered);
    return answered;
  };
  const subscription = subscribe(listening, subject, take, { queue });
  return {
    get open() {
      return open.size;
    },
    async stop() {
      if (!subscription.isClosed()) await subscription.drain();
      await Promise.allSettled(open);
    },
  };
}

import { type Msg, type MsgHdrs, nanos } from '@nats-io/nats-core';

/** A message that a pull consumer has delivered, in the hands of one process. What is said of it after it was answered has no effect. */
export class QueueMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  /** How often the server has given the message to somebody, this time included. */
  readonly deliveryCount: number;
  /** Its sequence in the stream. */
  readonly streamSeq: number;
  /** When the server stored it, by the server's clock: milliseconds since the epoch. */
  readonly storedAt: number;
  readonly #msg: Msg;
  #answered = false;

  constructor(msg: Msg) {
    this.#msg = msg;
    const { deliveryCount, streamSeq, storedAt } = parseAck(msg.reply ?? '');
    this.subject = msg.subject;
    this.data = msg.data;
    this.headers = msg.headers;
    this.deliveryCount = deliveryCount;
    this.streamSeq = streamSeq;
    this.storedAt = storedAt;
  }

  /** Somebody may have begun to work on it before. */
  get redelivered(): boolean {
    return this.deliveryCount > 1;
  }

  /** It is done: the queue forgets it. */
  ack(): void {
    this.#answer('+ACK');
  }

  /** Somebody else shall have it, after `delayMs`. */
  nak(delayMs = 0): void {
    this.#answer(delayMs === 0 ? '-NAK' : `-NAK {"delay": ${nanos(delayMs)}}`);
  }

  /** Nobody can make anything of it: the queue forgets it. */
  term(): void {
    this.#answer('+TERM');
  }

  /** It is being worked on: the server's clock begins anew. */
  working(): void {
    if (!this.#answered) this.#msg.respond('+WPI');
  }

  #answer(text: string): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#msg.respond(text);
  }
}

/**
 * An acknowledgement subject: `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.…` with nine tokens, or with the
 * domain and the account before the stream and at least eleven.
 */
function parseAck(reply: string): { deliveryCount: number; streamSeq: number; storedAt: number } {
  const tokens = reply.split('.');
  const at = tokens.length > 9 ? 6 : 4;
  const deliveryCount = Number(tokens[at]);
  const streamSeq = Number(tokens[at + 1]);
  if (!reply.startsWith('$JS.ACK.') || !Number.isInteger(deliveryCount) || !Number.isInteger(streamSeq)) {
    throw new Error(`${reply} acknowledges nothing`);
  }
  // Nanoseconds since the epoch; milliseconds are enough, and fit into a number.
  return { deliveryCount, streamSeq, storedAt: Number(tokens[at + 3]?.slice(0, -6) ?? 0) };
}

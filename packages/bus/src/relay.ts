/**
 * How a worker passes an answer on to the gateway that waits for it: core NATS, unstored, one subject for each message, with
 * a window of bytes that the gateway moves on as its client reads.
 */
import type { ErrorInfo } from '@tailrace/protocol';
import { MalformedMessage } from './messages.ts';

/**
 * What a worker tells. `begin` is a request, answered with a {@link RelayAnswer}; `data` is the answer's bytes; `alive` says
 * that there is nothing new. A call ends with `end` or `fail`.
 */
export type RelayKind = 'begin' | 'head' | 'data' | 'alive' | 'end' | 'fail';

/** `begin`: a worker is about to make the call. */
export interface RelayBegin {
  /** The subject where the worker listens. */
  control: string;
}

/** What the gateway says to that. `gone`: nobody waits, or somebody else is served already. */
export type RelayAnswer = { window: number } | { gone: true };

/** `head`: the answer begins. */
export interface RelayHead {
  /** Whether it is a stream of events; otherwise it is one JSON text. */
  streams: boolean;
}

/** `fail`: there is no answer, or not all of it. */
export interface RelayFailure {
  error: ErrorInfo;
  /** Seconds after which another try may do better. */
  retryAfter: number | null;
  /** What the upstream said of a request that it takes for wrong. */
  refusal: { status: number; body: string } | null;
}

/** What the gateway tells the worker as it goes: how many bytes in all may have been sent, or that nobody waits any more. */
export type RelayWord = { upTo: number } | { gone: true };

/** The place of a message: which worker's, what, and its number. */
export interface RelayPlace {
  /** Tells one attempt of a call from another. */
  line: string;
  kind: RelayKind;
  /** 0 for `begin` and counted on from there; `alive` has the number of the message that comes next. */
  seq: number;
}

/** The subject of a message. */
export function relaySubject(replyTo: string, { line, kind, seq }: RelayPlace): string {
  return `${replyTo}.${line}.${kind}.${seq}`;
}

/** The place in a subject, and the last token of the subject that the gateway waits at. */
export function parseRelaySubject(subject: string): RelayPlace & { call: string } {
  const [call = '', line = '', kind = '', seq = ''] = subject.split('.').slice(-4);
  return { call, line, kind: kind as RelayKind, seq: Number(seq) };
}

type RelayMessage = RelayBegin | RelayAnswer | RelayHead | RelayFailure | RelayWord;

/** The bytes of a message that is not the answer's own. */
export function encodeRelay(message: RelayMessage): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

/**
 * See {@link encodeRelay}.
 * @throws MalformedMessage
 */
export function decodeRelay<T extends RelayMessage>(subject: string, bytes: Uint8Array): T {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as T;
  } catch (error) {
    throw new MalformedMessage(subject, error instanceof Error ? error.message : String(error));
  }
}

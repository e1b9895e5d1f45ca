/** The one codec of the messages between the services. */
import type { Pieces } from './blob.ts';
import type { CallNote } from './calls.ts';
import type { AskedCommand, Reply, Waiting, WithdrawCommand } from './commands.ts';
import { jsonPieces } from './json-pieces.ts';
import type { AdmitAnswer, AdmitQuestion, Release } from './limits.ts';
import type { MaxDeliveriesAdvisory, ResultCommand, StepAnswer, StepQuestion, Work } from './work.ts';

/** A message that is not what its subject promises. */
export class MalformedMessage extends Error {
  constructor(subject: string, reason: string) {
    super(`${subject}: ${reason}`);
    this.name = 'MalformedMessage';
  }
}

type Message =
  | AskedCommand
  | WithdrawCommand
  | Reply
  | Waiting
  | Work
  | ResultCommand
  | StepQuestion
  | StepAnswer
  | CallNote
  | AdmitQuestion
  | AdmitAnswer
  | Release;

/** The bytes of a message between services. */
export function encodeMessage(message: Message): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

/** A longer one travels beside its message anyway, and is made as it goes. */
const WHOLE_CHARS = 512 * 1024;

/** The bytes of a message between services that may be of any size. */
export function encodePayload(message: Message): Uint8Array | Pieces {
  const json = JSON.stringify(message);
  return json.length <= WHOLE_CHARS ? Buffer.from(json) : inPieces(message);
}

/** Not a closure of {@link encodePayload}: that would hold the text for as long as the pieces are asked for. */
function inPieces(message: Message): Pieces {
  return function* () {
    for (const piece of jsonPieces(message)) yield Buffer.from(piece);
  };
}

/**
 * A message between services. Its sender is a part of the same installation, so its shape is trusted once it is JSON.
 * @throws MalformedMessage
 */
export function decodeMessage<T extends Message | MaxDeliveriesAdvisory>(subject: string, bytes: Uint8Array): T {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as T;
  } catch (error) {
    throw new MalformedMessage(subject, error instanceof Error ? error.message : String(error));
  }
}

/** The turns of one WebSocket: a message of the client becomes a response, whose events go back. */

import { isStored } from '@tailrace/chain';
import {
  ApiError,
  type CreateResponseBody,
  parseResponseId,
  type ResponseId,
  validate,
  webSocketCreateEvent,
} from '@tailrace/protocol';
import type { RegisteredKey } from '@tailrace/registry';
import type { GatewayContext } from './context.ts';
import { type EventNames, renameEvents } from './event-names.ts';
import { parseJsonBody } from './json-body.ts';
import { forwardLog } from './log-forward.ts';
import { commitResponse, type NewResponse, prepareResponse } from './new-response.ts';
import { loadSaid } from './websocket-history.ts';
import type { ConversationMemory } from './websocket-memory.ts';
import { errorMessage, eventMessages } from './websocket-messages.ts';
import type { WebSocketPeer } from './websocket-peer.ts';

const eventType = webSocketCreateEvent.pick({ type: true }).loose();

/** What the turns of a connection share. */
export interface TurnsOptions {
  peer: WebSocketPeer;
  memory: ConversationMemory;
  names: EventNames;
  /** Levels of objects and arrays inside each other in a message. */
  jsonDepth: number;
  /** Whose turn it is, at this moment. @throws ApiError when the key may not (or not now) have one. */
  admit(): RegisteredKey;
  /** The id that ties together everything done for a turn. */
  newCorrelation(): string;
}

/** See the file's head. */
export class WebSocketTurns {
  readonly #context: GatewayContext;
  readonly #options: TurnsOptions;

  constructor(context: GatewayContext, options: TurnsOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** One turn, to its end; what goes wrong is told to the client. `signal` ends it early: the response goes on alone. */
  async run(text: string, signal: AbortSignal): Promise<void> {
    const { peer, memory } = this.#options;
    const correlationId = this.#options.newCorrelation();
    const log = this.#context.log.child({ correlation_id: correlationId });
    let previousId: ResponseId | null = null;
    try {
      const body = this.#bodyOf(text);
      previousId = parseResponseId(body.previous_response_id ?? '') ?? null;
      const said = memory.itemsOf(previousId);
      const key = this.#options.admit();
      const origin = { correlationId, idempotencyKey: null, ...(said === undefined ? {} : { context: said }) };
      const made = await prepareResponse(this.#context, key, body, origin);
      const outcome = await this.#respond(made, signal);
      if (outcome === 'failed' && previousId !== null) memory.forget(previousId);
    } catch (error) {
      if (previousId !== null) memory.forget(previousId);
      const failure = error instanceof ApiError ? error : new ApiError('internal_error', {}, { cause: error });
      if (failure.status >= 500) log.error({ err: error }, 'turn failed');
      else log.info({ code: failure.code }, 'turn refused');
      await peer.send(errorMessage(failure));
    }
  }

  #bodyOf(text: string): CreateResponseBody {
    const value = parseJsonBody(text, { depth: this.#options.jsonDepth });
    // What a message is comes before what is in it.
    validate(eventType, value);
    const { type: _type, ...body } = validate(webSocketCreateEvent, value);
    return body;
  }

  /** Commits a response, and sends its events until it has ended or nobody takes them. */
  async #respond(made: NewResponse, signal: AbortSignal): Promise<'ended' | 'failed' | 'left'> {
    const { tails, abandonment } = this.#context;
    const { id, key, request, correlationId } = made;
    const { peer, names } = this.#options;
    const follower = tails.follow(id);
    const leave = () => follower.close();
    signal.addEventListener('abort', leave, { once: true });
    let left: ((ended: boolean) => void) | undefined;
    let ended = false;
    let failed = false;
    const sink = {
      get gone() {
        return signal.aborted;
      },
      async write(frames: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
        // An event is one message, and a message is sent as a whole.
        const pieces: Uint8Array[] = [];
        for await (const piece of frames) pieces.push(piece);
        for (const message of eventMessages(renameEvents(Buffer.concat(pieces), names))) {
          failed = isFailure(message);
          await peer.send(message);
        }
      },
    };
    try {
      await commitResponse(this.#context, made);
      left = abandonment.watch({ id, owner: key.owner, correlationId, request });
      if (signal.aborted) return 'left';
      ended = await forwardLog(this.#context, sink, { id, follower, fresh: true, after: -1 });
      if (ended && !failed && !isStored(request)) await this.#remember(id);
    } finally {
      left?.(ended);
      signal.removeEventListener('abort', leave);
      follower.close();
    }
    if (!ended) return 'left';
    return failed ? 'failed' : 'ended';
  }

  /** What cannot be read cannot be gone on from; the client has its response all the same. */
  async #remember(id: ResponseId): Promise<void> {
    try {
      const said = await loadSaid(this.#context, id);
      if (said !== undefined) this.#options.memory.remember(id, said);
    } catch (error) {
      this.#context.log.warn({ err: error, response_id: id }, 'a response that is not stored could not be remembered');
    }
  }
}

const FAILED = Buffer.from('{"type":"response.failed",');

function isFailure(message: Uint8Array): boolean {
  return FAILED.equals(message.subarray(0, FAILED.length));
}

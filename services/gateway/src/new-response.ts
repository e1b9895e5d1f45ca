/** A response that is about to be: everything decided, nothing committed. Whatever way a request comes, it goes through here. */
import { createHash } from 'node:crypto';
import type { Done } from '@tailrace/bus';
import { initialResource } from '@tailrace/chain';
import { decodeFrames, type Follower } from '@tailrace/log';
import {
  ApiError,
  type CreateResponseBody,
  idempotentResponseId,
  type KeptItem,
  newId,
  type ResponseId,
  type ResponseResource,
} from '@tailrace/protocol';
import type { RegisteredKey } from '@tailrace/registry';
import { type Acceptable, type AcceptRules, acceptRequest } from './accept.ts';
import type { GatewayContext } from './context.ts';
import { readItems } from './input-files.ts';
import { readResponse } from './retrieve.ts';
import { EndWatch } from './untold-end.ts';

/** See the file's head. */
export interface NewResponse extends Acceptable {
  id: ResponseId;
  key: RegisteredKey;
  /** The request carries its whole history; the previous response is only named. */
  detached: boolean;
  bodyHash: string | null;
  /** Milliseconds since the epoch. */
  createdAt: number;
  correlationId: string;
}

/** What comes with a body. */
export interface Origin {
  correlationId: string;
  idempotencyKey: string | null;
  /** What was said before, where nobody stores it. */
  context?: KeptItem[];
  /** What the response is made for, when it is not a client's turn: then no tool of the server takes part in it. */
  purpose?: 'compaction';
  /** Whether the model is offered the server's tools; it is, unless the client says otherwise. */
  serverTools?: boolean;
}

/** What a gateway lays down for every request. */
export function acceptRules({ maxIterations, maxDepth, sealer }: GatewayContext): AcceptRules {
  return { maxIterations, maxDepth, serverTools: true, sealer };
}

/**
 * Decides what a valid body amounts to.
 * @throws ApiError when it cannot be accepted.
 */
export async function prepareResponse(
  context: GatewayContext,
  key: RegisteredKey,
  body: CreateResponseBody,
  origin: Origin,
): Promise<NewResponse> {
  const registry = context.registry.current();
  if (!registry) throw new ApiError('unavailable', { reason: 'the registry has not arrived yet' });
  const serverTools = origin.serverTools ?? true;
  const acceptable = acceptRequest(body, key, registry, {
    ...acceptRules(context),
    serverTools: serverTools && origin.purpose === undefined,
  });
  const { request } = acceptable;
  const input = await readItems(context, key.owner, request.body.input);
  const createdAt = Date.now();
  const { correlationId, idempotencyKey, purpose } = origin;
  return {
    ...acceptable,
    request: {
      ...request,
      body: { ...request.body, input },
      ...(purpose === undefined ? {} : { purpose }),
      ...(origin.context === undefined ? {} : { context: origin.context }),
    },
    id: idempotencyKey === null ? newId(createdAt) : idempotentResponseId(key.owner, idempotencyKey),
    key,
    detached: origin.context !== undefined,
    bodyHash:
      idempotencyKey === null
        ? null
        : createHash('sha256')
            .update(JSON.stringify(serverTools ? body : { ...body, serverTools }))
            .digest('hex'),
    createdAt,
    correlationId,
  };
}

/**
 * Resolves when the response is committed.
 * @throws LimitReached when its key may make none now; nothing is made then.
 */
export function commitResponse(context: GatewayContext, made: NewResponse): Promise<Done> {
  const { key, ...command } = made;
  const limits = context.limits.of(key);
  const asked = { ...command, owner: key.owner, keyName: key.name, limits };
  return context.limits.ask(key, () => context.orchestrator.ask('create', asked));
}

/** A response in the background as it is at its beginning. */
export function queuedResource(made: NewResponse): ResponseResource {
  const { id, key, request, previousResponseId, conversationId, createdAt } = made;
  // What it refers to has not been looked up here, and is not shown.
  const shown = { ...request, body: { ...request.body, input: [] } };
  const resource = initialResource({
    id,
    owner: key.owner,
    request: shown,
    previousResponseId,
    conversationId,
    conversationPosition: null,
    status: 'queued',
    error: null,
    incompleteReason: null,
    createdAt,
    endedAt: null,
    entries: 1,
    nextEvent: 0,
  });
  return { ...resource, status: 'queued' };
}

/**
 * Waits for the end, which carries the whole response. One whose client is told a 5xx instead, and cannot find it again by an
 * `Idempotency-Key`, is withdrawn.
 * @throws ApiError `unavailable` when the gateway stops first.
 */
export async function awaitEnd(
  context: GatewayContext,
  follower: Follower,
  made: Pick<NewResponse, 'id' | 'key' | 'request' | 'correlationId' | 'bodyHash'>,
  fresh: boolean,
): Promise<ResponseResource> {
  const { id, key, request, correlationId, bodyHash } = made;
  const command = { id, owner: key.owner, correlationId };
  let stopping = false;
  const finished = context.streams.enter(() => {
    stopping = true;
    follower.close();
  });
  const left = context.abandonment.watch({ id, owner: key.owner, request, correlationId });
  let ended = false;
  try {
    const watch = new EndWatch(context, id);
    for await (const event of follower.events({ fresh })) {
      if (event.type === 'message') watch.heard();
      if (event.type === 'message' && event.message.meta.ended !== null) {
        ended = true;
        const last = decodeFrames(await event.message.load()).at(-1);
        if (last && 'response' in last) return last.response;
      }
      if (event.type === 'empty' || (event.type === 'idle' && watch.idle())) {
        const stored = await readResponse(context, id, key.owner, { unstored: true });
        ended = stored.ended;
        if (ended) return stored.resource;
      }
    }
    // A follower that is closed because its client has gone has nobody to tell anything.
    if (stopping && bodyHash === null) await context.orchestrator.withdraw(command);
  } catch (error) {
    if (bodyHash === null) await context.orchestrator.withdraw(command);
    throw error;
  } finally {
    left(ended);
    finished();
  }
  const reason = 'the gateway is stopping';
  throw new ApiError('unavailable', { reason: bodyHash === null ? reason : `${reason}; the response goes on` });
}

/** `GET /v1/responses/{id}`, as an object or as a stream, and its steps. */
import { assemble, hasEnded, isStored, type ResponseRecord } from '@tailrace/chain';
import { loadResponse, type StoredResponse } from '@tailrace/database';
import {
  ApiError,
  parseResponseId,
  publicResponseId,
  type ResponseId,
  type ResponseResource,
  validate,
} from '@tailrace/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { correlationOf } from './correlation.ts';
import { streamLog } from './sse.ts';
import { stepTree } from './step-tree.ts';

const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
const eventNumber = z
  .string()
  .regex(/^\d{1,15}$/, 'it is not the number of an event')
  .transform(Number);
/** What can be included is part of a response from its beginning, if its request has asked for it. */
const includable = z.enum(['reasoning.encrypted_content', 'message.output_text.logprobs']);
const included = z.union([includable, z.array(includable)]);
/** The query of `GET /v1/responses/{id}`. */
export const retrieveQuery = z.object({
  stream: flag.default(false),
  starting_after: eventNumber.optional(),
  include: included.optional(),
  'include[]': included.optional(),
  include_obfuscation: flag.optional(),
});

/** Handles `GET /v1/responses/{id}`. `Last-Event-ID` says more than the URL: a reconnecting client repeats the URL. */
export async function handleRetrieve(
  context: GatewayContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { owner } = authenticate(context.registry, request);
  const query = validate(retrieveQuery, request.query);
  const id = idOf(request);
  if (!query.stream) return (await readResponse(context, id, owner)).resource;
  const lastEventId = request.headers['last-event-id'];
  const after = lastEventId === undefined || lastEventId === '' ? query.starting_after : lastEvent(lastEventId);
  const { record } = await readOwned(context, id, owner);
  const response = { ...record, correlationId: correlationOf(request) };
  const follower = context.tails.follow(id);
  await streamLog(context, request, reply, { response, follower, fresh: false, after: after ?? -1 });
  return reply;
}

/** Handles `GET /v1/responses/{id}/steps`. */
export async function handleSteps(context: GatewayContext, request: FastifyRequest): Promise<unknown> {
  const { owner } = authenticate(context.registry, request);
  const { chain } = await readOwned(context, idOf(request), owner);
  return { object: 'list', data: stepTree(chain) };
}

/** How a response is read. */
export interface ReadOptions {
  /** Also one that its client did not want stored: as the answer to the request that made it, until it is removed. */
  unstored?: boolean;
}

/**
 * A response as it stands.
 * @throws ApiError `response_not_found`, also for one of another owner (I7).
 */
export async function readResponse(
  context: GatewayContext,
  id: ResponseId,
  owner: string,
  options: ReadOptions = {},
): Promise<{ resource: ResponseResource; ended: boolean }> {
  const { record, chain } = await readOwned(context, id, owner, options);
  return { resource: assemble(record, chain), ended: hasEnded(record) };
}

/**
 * A response of an owner with its chain.
 * @throws ApiError `response_not_found`
 */
export async function readOwned(
  context: GatewayContext,
  id: ResponseId,
  owner: string,
  options: ReadOptions = {},
): Promise<StoredResponse> {
  const stored = await load(context, id);
  if (!stored || stored.record.owner !== owner || !(options.unstored || isReadable(stored.record))) {
    throw new ApiError('response_not_found', { id: publicResponseId(id) });
  }
  return stored;
}

/**
 * Whether a client may read a response by its id. One that is not stored can be read while it runs; in the background,
 * where there is no other way to get it, until it is removed.
 */
function isReadable(record: ResponseRecord): boolean {
  return isStored(record.request) || !hasEnded(record) || (record.request.body.background ?? false);
}

async function load(context: GatewayContext, id: ResponseId): Promise<StoredResponse | undefined> {
  try {
    return await loadResponse(context.database, id);
  } catch (error) {
    throw new ApiError('unavailable', { reason: 'the database does not answer' }, { cause: error });
  }
}

/** The response that a path names. */
export function idOf(request: FastifyRequest): ResponseId {
  const { id } = request.params as { id: string };
  const parsed = parseResponseId(id);
  if (!parsed) throw new ApiError('response_not_found', { id });
  return parsed;
}

function lastEvent(header: string | string[]): number {
  const result = eventNumber.safeParse(header);
  if (result.success) return result.data;
  const detail = { param: 'Last-Event-ID', reason: 'it is not the number of an event' };
  throw new ApiError('invalid_value', detail, { param: 'Last-Event-ID' });
}

/** `GET /v1/webhook_deliveries`: what became of the events that an owner's responses have brought about. */
import type { Database } from '@tailrace/database';
import { ApiError, hexOf, parseResponseId, publicResponseId, validate } from '@tailrace/protocol';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';

const EVENT_ID = /^evt_([0-9a-f]{32})$/;

/** The query of the list. */
export const deliveriesQuery = z.strictObject({
  /** Only of this response. */
  response_id: z
    .string()
    .refine((id) => parseResponseId(id) !== undefined, 'it is not the id of a response')
    .optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  /** Only what is older than the delivery of this id. */
  after: z.string().regex(EVENT_ID, 'it is not the id of a delivery').optional(),
});

const time = z.int();

/** One event on its way to one webhook. Times are seconds since the epoch. */
export const deliveryResource = z.strictObject({
  /** As in the event's body and in its `webhook-id`. */
  id: z.string().regex(EVENT_ID),
  object: z.literal('webhook.delivery'),
  response_id: z.string(),
  /** The webhook's name in the registry. */
  webhook: z.string(),
  type: z.string(),
  state: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.int().min(0),
  /** The HTTP status of the last answer; null when there was none. */
  last_status: z.int().nullable(),
  last_error: z.string().nullable(),
  created_at: time,
  /** Not before this; null when no attempt follows. */
  next_attempt_at: time.nullable(),
  ended_at: time.nullable(),
});
export type DeliveryResource = z.output<typeof deliveryResource>;

/** A page of deliveries, the newest first. */
export const deliveryList = z.strictObject({
  object: z.literal('list'),
  data: z.array(deliveryResource),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});
export type DeliveryList = z.output<typeof deliveryList>;

/** Handles the request; see the file's head. */
export async function handleDeliveries(
  context: Pick<GatewayContext, 'database' | 'registry'>,
  request: FastifyRequest,
): Promise<DeliveryList> {
  const { owner } = authenticate(context.registry, request);
  const query = validate(deliveriesQuery, request.query);
  const rows = await readDeliveries(context.database, owner, query);
  const data = rows.slice(0, query.limit).map(toResource);
  return {
    object: 'list',
    data,
    first_id: data.at(0)?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: rows.length > query.limit,
  };
}

type Row = Awaited<ReturnType<typeof readDeliveries>>[number];

/** The deliveries of a page, and one more if there is one. */
async function readDeliveries(database: Database, owner: string, query: z.output<typeof deliveriesQuery>) {
  const response = query.response_id === undefined ? undefined : parseResponseId(query.response_id);
  const [, after] = EVENT_ID.exec(query.after ?? '') ?? [];
  let select = database
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('owner', '=', owner)
    // Ids are ordered by time.
    .orderBy('id', 'desc')
    .limit(query.limit + 1);
  if (response !== undefined) select = select.where('response_id', '=', response);
  // Postgres reads an identity without its dashes too.
  if (after !== undefined) select = select.where('id', '<', after);
  try {
    return await select.execute();
  } catch (error) {
    throw new ApiError('unavailable', { reason: 'the database does not answer' }, { cause: error });
  }
}

function toResource(row: Row): DeliveryResource {
  return {
    id: `evt_${hexOf(row.id)}`,
    object: 'webhook.delivery',
    response_id: publicResponseId(row.response_id),
    webhook: row.webhook,
    type: row.event_type,
    state: row.state,
    attempts: row.attempts,
    last_status: row.last_status,
    last_error: row.last_error,
    created_at: seconds(row.created_at),
    next_attempt_at: row.state === 'pending' ? seconds(row.next_attempt_at) : null,
    ended_at: row.ended_at === null ? null : seconds(row.ended_at),
  };
}

function seconds(at: Date): number {
  return Math.floor(at.getTime() / 1_000);
}

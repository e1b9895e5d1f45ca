/** The smaller objects of the API. */
import { z } from 'zod';
import { compactionBody } from './items.ts';
import { usage } from './response.ts';

/** What `POST /v1/responses/compact` answers (specification: CompactResource). */
export const compactResource = z.strictObject({
  id: z.string(),
  object: z.literal('response.compaction'),
  output: z.array(compactionBody),
  created_at: z.int(),
  usage,
});
export type CompactResource = z.output<typeof compactResource>;

/** What `POST /v1/responses/input_tokens` answers. */
export const inputTokensResource = z.strictObject({
  object: z.literal('response.input_tokens'),
  input_tokens: z.int(),
});

/** A model that a key may use. */
export const modelResource = z.strictObject({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
});

/** What `GET /v1/models` answers. */
export const modelList = z.strictObject({ object: z.literal('list'), data: z.array(modelResource) });

/** The API's error envelope. */
export const errorEnvelope = z.strictObject({
  error: z.strictObject({
    type: z.string(),
    code: z.string(),
    message: z.string(),
    param: z.string().nullable(),
  }),
});

/** An error on a WebSocket (specification: WebSocketErrorEvent). */
export const webSocketErrorEvent = errorEnvelope.extend({ type: z.literal('error'), status: z.int() });

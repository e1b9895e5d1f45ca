/** The bodies of calls that are passed on: what this server has to know of them; the rest is for the model's server to judge. */
import type { RelayEndpoint } from '@tailrace/bus';
import { validate } from '@tailrace/protocol';
import { z } from 'zod';

const model = z.string().min(1);

/** `POST /v1/chat/completions`. */
export const chatCompletionBody = z.looseObject({
  model: model.describe('The name of a model in `GET /v1/models`'),
  messages: z.array(z.looseObject({ role: z.string() })).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
});

/** `POST /v1/embeddings`. */
export const embeddingBody = z.looseObject({
  model: model.describe('The name of a model in `GET /v1/models`'),
  input: z.union([z.string(), z.array(z.unknown()).min(1)]),
});

/** A completion, as far as this server knows it: it is the model's server's own. */
export const chatCompletion = z.looseObject({ id: z.string(), model: z.string(), choices: z.array(z.unknown()) });

/** A piece of one that is streamed. */
export const chatCompletionChunk = chatCompletion.clone();

/** Embeddings, likewise. */
export const embeddingList = z.looseObject({ data: z.array(z.unknown()), model: z.string() });

const BODIES: Record<RelayEndpoint, z.ZodType<{ model: string; [field: string]: unknown }>> = {
  'chat.completions': chatCompletionBody,
  embeddings: embeddingBody,
};

/**
 * A body that can be passed on.
 * @throws ApiError as `validate`.
 */
export function relayBodyOf(endpoint: RelayEndpoint, value: unknown): { model: string; [field: string]: unknown } {
  return validate(BODIES[endpoint], value);
}

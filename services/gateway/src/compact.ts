/**
 * `POST /v1/responses/compact`: a conversation in one item. A model is asked to sum it up, in a response of its own that
 * nobody reads but this route; the summary goes to the client sealed, to be carried into a later request.
 */
import {
  ApiError,
  type CompactResource,
  type CreateResponseBody,
  compactBody,
  ERRORS,
  type ErrorCode,
  type InputItem,
  itemId,
  type ResponseResource,
  validate,
} from '@tailrace/protocol';
import { sealCompaction } from '@tailrace/registry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { authenticate } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { correlationOf } from './correlation.ts';
import { idempotencyKeyOf } from './create.ts';
import { awaitEnd, commitResponse, prepareResponse } from './new-response.ts';
import { rateLimitHeaders } from './rate-limit-headers.ts';

const INSTRUCTION = `Summarise the whole conversation above, for a model that will go on with it and sees nothing but your summary.
Keep what it needs: what the user wants and has said about how; what has been decided, found out and done, with names, numbers, \
identifiers, paths and quotations exactly as they were; what tools were called for and what they answered; what is still open, and \
what was to come next. Where an earlier summary is part of the conversation, take over what still matters of it. Leave out \
pleasantries and what has been settled or overtaken. Write the summary alone, in the language of the conversation.`;

type CompactBody = z.output<typeof compactBody>;

/** Handles the request; see the file's head. */
export async function handleCompact(
  context: GatewayContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<CompactResource> {
  const key = authenticate(context.registry, request);
  const body = compactingBody(validate(compactBody, request.body));
  const correlationId = correlationOf(request);
  const origin = { correlationId, idempotencyKey: idempotencyKeyOf(request), purpose: 'compaction' } as const;
  const made = await prepareResponse(context, key, body, origin);
  const follower = context.tails.follow(made.id);
  let left: ((ended: boolean) => void) | undefined;
  let ended = false;
  try {
    const { existed, rateLimit } = await commitResponse(context, made);
    reply.headers(rateLimitHeaders(rateLimit));
    left = context.abandonment.watch({ id: made.id, owner: key.owner, correlationId, request: made.request });
    reply.raw.once('close', () => follower.close());
    const response = await awaitEnd(context, follower, made, !existed);
    ended = true;
    const summary = summaryOf(response);
    const { usage } = response;
    if (usage === null) throw new Error(`${response.id} has ended and tells no usage`);
    return {
      id: response.id,
      object: 'response.compaction',
      output: [
        {
          type: 'compaction',
          id: itemId('compaction', made.id, 0),
          encrypted_content: sealCompaction(context.sealer, key.owner, summary),
        },
      ],
      created_at: response.created_at,
      usage,
    };
  } finally {
    left?.(ended);
    follower.close();
  }
}

/** The request of the response that sums up. */
function compactingBody({ input, ...body }: CompactBody): CreateResponseBody {
  const items: InputItem[] = typeof input === 'string' ? [message(input)] : (input ?? []);
  if (items.length === 0 && !body.previous_response_id) {
    throw new ApiError('missing_required_parameter', { param: 'input' }, { param: 'input' });
  }
  return { ...body, input: [...items, message(INSTRUCTION)], store: false };
}

function message(content: string): InputItem {
  return { type: 'message', role: 'user', content };
}

/** @throws ApiError what the response failed with; `upstream_invalid` when it ended without a summary. */
function summaryOf(response: ResponseResource): string {
  if (response.status === 'failed' && response.error) {
    const { code, message } = response.error;
    throw ApiError.from({ code: isErrorCode(code) ? code : 'internal_error', message }, null);
  }
  if (response.status === 'cancelled' || response.incomplete_details?.reason === 'cancelled') {
    throw new ApiError('response_cancelled');
  }
  // Of a call that was made again, what broke off is there too, and is incomplete.
  const messages = response.output.flatMap((item) =>
    item.type === 'message' && (item.status === 'completed' || response.status !== 'completed') ? [item] : [],
  );
  const texts = messages.flatMap(({ content }) =>
    content.map((part) => (part.type === 'output_text' ? part.text : '')),
  );
  const summary = texts.join('').trim();
  if (summary === '') throw new ApiError('upstream_invalid', { reason: 'it has no text' });
  return summary;
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** `POST /v1/responses/input_tokens`: how many tokens a model would be told. Nothing is made. */
import { type AcceptedRequest, fitPrompt, hasEnded, isStored, type Prompt, prompt, recall } from '@tailrace/chain';
import { findGap, loadHistory, loadResponse, type Rooted, resolveReferences } from '@tailrace/database';
import {
  ApiError,
  type ConversationId,
  inputTokensBody,
  newId,
  publicResponseId,
  type ResponseId,
  validate,
} from '@tailrace/protocol';
import { openCompaction } from '@tailrace/registry';
import { promptTokens } from '@tailrace/tokens';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { acceptRequest } from './accept.ts';
import { countRequest } from './admission.ts';
import { authenticate, registryOf } from './auth.ts';
import type { GatewayContext } from './context.ts';
import { readConversation } from './conversations.ts';
import { fromDatabase } from './database-read.ts';
import { readItems } from './input-files.ts';
import { acceptRules } from './new-response.ts';

/** Handles the request; see the file's head. */
export async function handleInputTokens(
  context: GatewayContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<{ object: 'response.input_tokens'; input_tokens: number }> {
  const key = authenticate(context.registry, request);
  const body = validate(inputTokensBody, request.body);
  const accepted = acceptRequest(body, key, registryOf(context.registry), acceptRules(context));
  const { previousResponseId, conversationId } = accepted;
  reply.headers(await countRequest(context, key, { id: newId(Date.now()), model: body.model }));
  const sent = await readItems(context, key.owner, accepted.request.body.input);
  const input = await fromDatabase(() => resolveReferences(context.database, key.owner, sent));
  const kept: AcceptedRequest = { ...accepted.request, body: { ...accepted.request.body, input } };
  if (previousResponseId !== null) await checkPrevious(context, previousResponseId, key.owner);
  if (conversationId !== null) await checkConversation(context, conversationId, key.owner);
  const rooted: Rooted = {
    request: kept,
    previousResponseId,
    conversationId,
    conversationPosition: conversationId === null ? null : Number.MAX_SAFE_INTEGER,
  };
  const history = await fromDatabase(() => loadHistory(context.database, rooted));
  const open = (sealed: string) => openCompaction(context.sealer, key.owner, sealed);
  return {
    object: 'response.input_tokens',
    input_tokens: promptTokens(shownPrompt(kept, prompt(recall(kept, history), [], null, history, open))),
  };
}

/** What would be left of a prompt that is longer than its model's window. */
function shownPrompt({ context_window: window, body }: AcceptedRequest, whole: Prompt): Prompt {
  return window && body.truncation === 'auto' ? fitPrompt(whole, window, promptTokens) : whole;
}

async function checkPrevious(context: GatewayContext, previousId: ResponseId, owner: string): Promise<void> {
  const previous = await fromDatabase(() => loadResponse(context.database, previousId));
  const id = publicResponseId(previousId);
  const param = 'previous_response_id';
  const found = previous?.record.owner === owner && isStored(previous.record.request);
  if (!found || (await fromDatabase(() => findGap(context.database, previousId))) !== null) {
    throw new ApiError('previous_response_not_found', { id }, { param });
  }
  if (!hasEnded(previous.record)) throw new ApiError('previous_response_in_progress', { id }, { param });
}

async function checkConversation(context: GatewayContext, id: ConversationId, owner: string): Promise<void> {
  try {
    await readConversation(context, id, owner);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'conversation_not_found') throw error;
    throw ApiError.from(error.info, 'conversation');
  }
}

/** Conversations: items that live on between responses (OpenAI's `/v1/conversations`). */
import { z } from 'zod';
import { inputItem } from './input-items.ts';
import { metadata } from './request.ts';

/** The most items that one request may put into a conversation. */
const MAX_ITEMS = 20;

/** The body of `POST /v1/conversations`. */
export const createConversationBody = z.strictObject({
  metadata: metadata.nullish(),
  items: z.array(inputItem).max(MAX_ITEMS).nullish(),
});

/** The body of `POST /v1/conversations/{id}`. */
export const updateConversationBody = z.strictObject({ metadata: metadata.nullable() });

/** The body of `POST /v1/conversations/{id}/items`. */
export const addItemsBody = z.strictObject({ items: z.array(inputItem).min(1).max(MAX_ITEMS) });

/** A conversation. Times are seconds since the epoch. */
export const conversationResource = z.strictObject({
  id: z.string(),
  object: z.literal('conversation'),
  created_at: z.int(),
  metadata: z.record(z.string(), z.string()),
});
export type ConversationResource = z.output<typeof conversationResource>;

/** What `DELETE /v1/conversations/{id}` answers. */
export const deletedConversation = z.strictObject({
  id: z.string(),
  object: z.literal('conversation.deleted'),
  deleted: z.literal(true),
});

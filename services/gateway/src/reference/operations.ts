/** Every operation of the API, for the reference. A test holds it against the routes that there are. */
import { type ErrorCode, listQuery } from '@tailrace/protocol';
import type { z } from 'zod';
import { retrieveQuery } from '../retrieve.ts';
import { deliveriesQuery } from '../webhook-deliveries.ts';
import type { SchemaName } from './schemas.ts';

/** A header that an operation looks at. */
export type HeaderName = 'Idempotency-Key' | 'Last-Event-ID' | 'tailrace-event-names';

/** One method of one path. */
export interface Operation {
  method: 'get' | 'post' | 'delete';
  path: string;
  id: string;
  tag: 'Responses' | 'Conversations' | 'Models' | 'Passed on' | 'Webhooks';
  summary: string;
  description?: string;
  query?: z.ZodObject;
  headers?: HeaderName[];
  body?: { schema: SchemaName; required: boolean };
  /** Null for an upgrade to a WebSocket. */
  answer: SchemaName | null;
  /** There when the answer can be a stream: of the events of a response, or of pieces of its own. */
  streams?: true | SchemaName;
  /** Errors beside those that every operation, and every one with a body, may have. */
  errors: ErrorCode[];
}

const MODEL_ERRORS = [
  'model_not_found',
  'previous_response_not_found',
  'previous_response_in_progress',
  'item_not_found',
  'file_unreadable',
  'compaction_unreadable',
  'unknown_call_id',
  'context_length_exceeded',
  'rate_limit_exceeded',
] as const satisfies ErrorCode[];

const MADE = ['tool_output_missing', 'idempotency_key_reused'] as const satisfies ErrorCode[];

const TOOL_ERRORS = [
  'duplicate_tool_name',
  'tool_name_taken',
  'tool_choice_unknown',
  'mutually_exclusive',
  'conversation_not_found',
] as const satisfies ErrorCode[];

const UPSTREAM_ERRORS = [
  'upstream_error',
  'upstream_unreachable',
  'upstream_cut',
  'upstream_timeout',
  'upstream_invalid',
  'upstream_too_large',
  'upstream_busy',
  'model_unavailable',
  'response_cancelled',
] as const satisfies ErrorCode[];

const RELAY_ERRORS = [
  'model_not_found',
  'endpoint_not_served',
  'rate_limit_exceeded',
  'attempts_exhausted',
] as const satisfies ErrorCode[];

const RESPONSE_ID = 'response_not_found' as const;
const CONVERSATION_ID = 'conversation_not_found' as const;

/** See the file's head. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/responses',
    id: 'createResponse',
    tag: 'Responses',
    summary: 'Create a response',
    description:
      'Runs the whole agent loop: model calls and calls of the tools that the server has, until the model is done, or calls a ' +
      'function of the client’s own. With `stream` the answer is a stream of events, with `background` the response at its ' +
      'beginning, otherwise the response at its end. A client that goes away can come back: the response goes on, and its ' +
      'stream can be taken up again after any event.',
    headers: ['Idempotency-Key', 'tailrace-event-names'],
    body: { schema: 'CreateResponseBody', required: true },
    answer: 'ResponseResource',
    streams: true,
    errors: [...MODEL_ERRORS, ...MADE, ...TOOL_ERRORS, 'conversation_locked'],
  },
  {
    method: 'get',
    path: '/v1/responses',
    id: 'connectResponses',
    tag: 'Responses',
    summary: 'Open a WebSocket',
    description:
      'Each message of the client is a `WebSocketCreateEvent`, and begins a response once the one before has ended. The ' +
      'messages of the server are the events of the stream, without `[DONE]`, and `WebSocketErrorEvent`s. A turn can go on ' +
      'from an earlier one of the connection by `previous_response_id` even if that was not stored.',
    headers: ['tailrace-event-names'],
    answer: null,
    errors: ['method_not_allowed'],
  },
  {
    method: 'get',
    path: '/v1/responses/{id}',
    id: 'getResponse',
    tag: 'Responses',
    summary: 'Get a response',
    description:
      'As an object, or as its stream of events: from the beginning, or after the event that `starting_after` or ' +
      '`Last-Event-ID` names. The events are the same bytes as before, and those that are still to come follow.',
    query: retrieveQuery,
    headers: ['Last-Event-ID', 'tailrace-event-names'],
    answer: 'ResponseResource',
    streams: true,
    errors: [RESPONSE_ID, 'invalid_value'],
  },
  {
    method: 'delete',
    path: '/v1/responses/{id}',
    id: 'deleteResponse',
    tag: 'Responses',
    summary: 'Delete a response',
    description: 'With everything that belongs to it. One that still runs is cancelled first.',
    answer: 'DeletedResponse',
    errors: [RESPONSE_ID],
  },
  {
    method: 'post',
    path: '/v1/responses/{id}/cancel',
    id: 'cancelResponse',
    tag: 'Responses',
    summary: 'Cancel a response',
    description: 'What has been produced is kept. A response that has ended is returned as it is.',
    answer: 'ResponseResource',
    errors: [RESPONSE_ID],
  },
  {
    method: 'get',
    path: '/v1/responses/{id}/input_items',
    id: 'listInputItems',
    tag: 'Responses',
    summary: 'List the input of a response',
    description: 'Without the turns before it.',
    query: listQuery,
    answer: 'ItemList',
    errors: [RESPONSE_ID, 'invalid_value'],
  },
  {
    method: 'get',
    path: '/v1/responses/{id}/steps',
    id: 'listSteps',
    tag: 'Responses',
    summary: 'List the steps of a response',
    description: 'Its model calls and tool calls as a tree. An extension of Tailrace.',
    answer: 'StepList',
    errors: [RESPONSE_ID],
  },
  {
    method: 'post',
    path: '/v1/responses/compact',
    id: 'compactResponse',
    tag: 'Responses',
    summary: 'Compact a conversation',
    description:
      'Sums a conversation up, by a call of the model, into one `compaction` item that stands for it in the input of a later ' +
      'request. Only this server can read the item, and only for keys of the same owner.',
    headers: ['Idempotency-Key'],
    body: { schema: 'CompactBody', required: true },
    answer: 'CompactResource',
    errors: [...MODEL_ERRORS, 'idempotency_key_reused', ...UPSTREAM_ERRORS],
  },
  {
    method: 'post',
    path: '/v1/responses/input_tokens',
    id: 'countInputTokens',
    tag: 'Responses',
    summary: 'Count input tokens',
    description: 'Of the prompt that a response would begin with. An estimate: each model has tokens of its own.',
    body: { schema: 'InputTokensBody', required: true },
    answer: 'InputTokensResource',
    errors: [...MODEL_ERRORS, ...TOOL_ERRORS],
  },
  {
    method: 'post',
    path: '/v1/conversations',
    id: 'createConversation',
    tag: 'Conversations',
    summary: 'Create a conversation',
    body: { schema: 'CreateConversationBody', required: false },
    answer: 'ConversationResource',
    errors: ['item_not_found', 'file_unreadable', 'compaction_unreadable'],
  },
  {
    method: 'get',
    path: '/v1/conversations/{id}',
    id: 'getConversation',
    tag: 'Conversations',
    summary: 'Get a conversation',
    answer: 'ConversationResource',
    errors: [CONVERSATION_ID],
  },
  {
    method: 'post',
    path: '/v1/conversations/{id}',
    id: 'updateConversation',
    tag: 'Conversations',
    summary: 'Update the metadata of a conversation',
    body: { schema: 'UpdateConversationBody', required: true },
    answer: 'ConversationResource',
    errors: [CONVERSATION_ID],
  },
  {
    method: 'delete',
    path: '/v1/conversations/{id}',
    id: 'deleteConversation',
    tag: 'Conversations',
    summary: 'Delete a conversation',
    description: 'With its items. The responses that were made in it stay.',
    answer: 'DeletedConversation',
    errors: [CONVERSATION_ID],
  },
  {
    method: 'get',
    path: '/v1/conversations/{id}/items',
    id: 'listItems',
    tag: 'Conversations',
    summary: 'List the items of a conversation',
    query: listQuery,
    answer: 'ItemList',
    errors: [CONVERSATION_ID, 'invalid_value'],
  },
  {
    method: 'post',
    path: '/v1/conversations/{id}/items',
    id: 'addItems',
    tag: 'Conversations',
    summary: 'Add items to a conversation',
    description: 'At its end. The answer lists what has been added.',
    body: { schema: 'AddItemsBody', required: true },
    answer: 'ItemList',
    errors: [CONVERSATION_ID, 'item_not_found', 'file_unreadable', 'compaction_unreadable'],
  },
  {
    method: 'get',
    path: '/v1/conversations/{id}/items/{item_id}',
    id: 'getItem',
    tag: 'Conversations',
    summary: 'Get an item of a conversation',
    answer: 'Item',
    errors: [CONVERSATION_ID, 'item_not_found'],
  },
  {
    method: 'delete',
    path: '/v1/conversations/{id}/items/{item_id}',
    id: 'removeItem',
    tag: 'Conversations',
    summary: 'Remove an item from a conversation',
    description: 'No later response is told of it. The answer is the conversation.',
    answer: 'ConversationResource',
    errors: [CONVERSATION_ID, 'item_not_found'],
  },
  {
    method: 'post',
    path: '/v1/chat/completions',
    id: 'createChatCompletion',
    tag: 'Passed on',
    summary: 'Ask a model’s own server',
    description:
      'The body goes to one of the servers of the model as it is, and the answer comes back as it is: no tool of this server ' +
      'takes part, and nothing is kept. Servers that fail before the first token are replaced by others.',
    body: { schema: 'CreateChatCompletionBody', required: true },
    answer: 'ChatCompletion',
    streams: 'ChatCompletionChunk',
    errors: [...RELAY_ERRORS, ...UPSTREAM_ERRORS],
  },
  {
    method: 'post',
    path: '/v1/embeddings',
    id: 'createEmbedding',
    tag: 'Passed on',
    summary: 'Make embeddings',
    description: 'Passed on in the same way.',
    body: { schema: 'CreateEmbeddingBody', required: true },
    answer: 'EmbeddingList',
    errors: [...RELAY_ERRORS, ...UPSTREAM_ERRORS],
  },
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    tag: 'Models',
    summary: 'List the models that the key may use',
    answer: 'ModelList',
    errors: [],
  },
  {
    method: 'get',
    path: '/v1/models/{id}',
    id: 'getModel',
    tag: 'Models',
    summary: 'Get a model',
    description: 'The name may hold slashes.',
    answer: 'ModelResource',
    errors: ['model_not_found'],
  },
  {
    method: 'get',
    path: '/v1/webhook_deliveries',
    id: 'listWebhookDeliveries',
    tag: 'Webhooks',
    summary: 'List webhook deliveries',
    description: 'What became of the events that the responses of the key’s owner have brought about, newest first.',
    query: deliveriesQuery,
    answer: 'WebhookDeliveryList',
    errors: ['invalid_value', 'unknown_parameter'],
  },
];

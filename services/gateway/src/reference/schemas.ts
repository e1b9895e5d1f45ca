/** The named schemas of the reference, made of those that validate. Pure. */
import {
  addItemsBody,
  compactBody,
  compactResource,
  conversationResource,
  createConversationBody,
  createResponseBody,
  deletedConversation,
  deletedResponse,
  ERRORS,
  EVENT_SCHEMAS,
  errorEnvelope,
  inputItem,
  inputTokensBody,
  inputTokensResource,
  listPage,
  modelList,
  modelResource,
  responseResource,
  updateConversationBody,
  webSocketCreateEvent,
  webSocketErrorEvent,
} from '@tailrace/protocol';
import { z } from 'zod';
import {
  chatCompletion,
  chatCompletionBody,
  chatCompletionChunk,
  embeddingBody,
  embeddingList,
} from '../relay/relay-request.ts';
import { stepList, stepNode } from '../step-tree.ts';
import { deliveryList, deliveryResource } from '../webhook-deliveries.ts';

/** A JSON schema. */
export type JsonSchema = Record<string, unknown>;

/** What clients send. */
const BODIES = {
  ItemParam: inputItem,
  CreateResponseBody: createResponseBody,
  CompactBody: compactBody,
  InputTokensBody: inputTokensBody,
  CreateConversationBody: createConversationBody,
  UpdateConversationBody: updateConversationBody,
  AddItemsBody: addItemsBody,
  WebSocketCreateEvent: webSocketCreateEvent,
  CreateChatCompletionBody: chatCompletionBody,
  CreateEmbeddingBody: embeddingBody,
} as const;

/** What clients get. */
const RESOURCES = {
  ResponseResource: responseResource,
  OutputItem: responseResource.shape.output.element,
  DeletedResponse: deletedResponse,
  ItemList: listPage,
  Step: stepNode,
  StepList: stepList,
  CompactResource: compactResource,
  InputTokensResource: inputTokensResource,
  ConversationResource: conversationResource,
  DeletedConversation: deletedConversation,
  Item: listPage.shape.data.element,
  ModelResource: modelResource,
  ModelList: modelList,
  WebhookDelivery: deliveryResource,
  WebhookDeliveryList: deliveryList,
  WebSocketErrorEvent: webSocketErrorEvent,
  ChatCompletion: chatCompletion,
  ChatCompletionChunk: chatCompletionChunk,
  EmbeddingList: embeddingList,
  Error: errorEnvelope,
} as const;

/** The name of a body or a resource. */
export type SchemaName = keyof typeof BODIES | keyof typeof RESOURCES;

/** The events of a stream: the name of each schema, by the name of the event. */
export const EVENT_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(EVENT_SCHEMAS).map((type) => [type, `${type.split(/[._]/).map(capitalised).join('')}Event`]),
);

/** The reference to a schema of the document. */
export function refTo(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** All schemas by their names. */
export function namedSchemas(): Record<string, JsonSchema> {
  const events = Object.fromEntries(
    Object.entries(EVENT_SCHEMAS).map(([type, schema]) => [EVENT_NAMES[type] ?? type, schema]),
  );
  const schemas = { ...schemasOf(BODIES, 'input'), ...schemasOf({ ...RESOURCES, ...events }, 'output') };
  return {
    ...schemas,
    StreamEvent: {
      oneOf: Object.values(EVENT_NAMES).map(refTo),
      discriminator: {
        propertyName: 'type',
        mapping: Object.fromEntries(
          Object.entries(EVENT_NAMES).map(([type, name]) => [type, `#/components/schemas/${name}`]),
        ),
      },
    },
  };
}

function schemasOf(named: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    io,
    uri: (id) => `#/components/schemas/${id}`,
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      if (zodSchema === errorEnvelope.shape.error.shape.code) jsonSchema.enum = Object.keys(ERRORS);
    },
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _dialect, $id: _id, ...schema }]) => [name, schema]),
  );
}

function capitalised(word: string): string {
  return `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
}

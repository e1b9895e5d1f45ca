/** Single values that clients are sent, judged by the project's schemas and by the specification document. */
import {
  compactResource,
  conversationResource,
  deletedConversation,
  deletedResponse,
  EVENT_SCHEMAS,
  errorEnvelope,
  inputTokensResource,
  listPage,
  modelList,
  modelResource,
  responseResource,
  webSocketErrorEvent,
} from '@tailrace/protocol';
import { z } from 'zod';
import { stepList } from '../../services/gateway/src/step-tree.ts';
import { deliveryList } from '../../services/gateway/src/webhook-deliveries.ts';
import { isExtension, withoutExtensions } from './extensions.ts';
import type { Specification } from './specification.ts';
import type { Judge } from './violations.ts';

/** Tells what is wrong. */
export type Report = (by: Judge, what: string) => void;

/** What a route answers when it succeeds. */
interface Answer {
  schema: z.ZodType;
  /** The specification's schemas of the answer, or of parts of it. */
  defined?: (value: never) => [schema: string, value: unknown][];
}

/** An item in a list, or alone. */
const item = z.looseObject({ type: z.string(), id: z.string() });
const wholeResponse: Answer = { schema: responseResource, defined: (value) => [['ResponseResource', value]] };
const conversation: Answer = { schema: conversationResource };
const items: Answer = {
  schema: listPage,
  defined: (page: { data?: unknown[] }) => (page.data ?? []).map((each) => ['ItemField', each]),
};

const ANSWERS: Readonly<Record<string, Answer>> = {
  'POST /v1/responses': wholeResponse,
  'GET /v1/responses/:': wholeResponse,
  'DELETE /v1/responses/:': { schema: deletedResponse },
  'POST /v1/responses/:/cancel': wholeResponse,
  'GET /v1/responses/:/input_items': items,
  'GET /v1/responses/:/steps': { schema: stepList },
  'POST /v1/responses/compact': { schema: compactResource, defined: (value) => [['CompactResource', value]] },
  'POST /v1/responses/input_tokens': { schema: inputTokensResource },
  'GET /v1/models': { schema: modelList },
  'GET /v1/models/:': { schema: modelResource },
  'POST /v1/conversations': conversation,
  'GET /v1/conversations/:': conversation,
  'POST /v1/conversations/:': conversation,
  'DELETE /v1/conversations/:': { schema: deletedConversation },
  'GET /v1/conversations/:/items': items,
  'POST /v1/conversations/:/items': items,
  'GET /v1/conversations/:/items/:': { schema: item, defined: (value) => [['ItemField', value]] },
  'DELETE /v1/conversations/:/items/:': conversation,
  'GET /v1/webhook_deliveries': { schema: deliveryList },
};

/** Judges values by the project's schemas and, if there is one, by a specification document. */
export class WireValues {
  readonly #specification: Specification | undefined;

  constructor(specification: Specification | undefined) {
    this.#specification = specification;
  }

  /** Judges the JSON that a request was answered with; `path` is without its query. */
  answer(method: string, path: string, status: number, value: unknown, report: Report): void {
    if (status >= 400) {
      this.#check(errorEnvelope, value, report);
      this.#defined('ErrorPayload', (value as { error?: unknown } | null)?.error, report);
      if (status === 500) report('schemas', 'the server failed');
      return;
    }
    const answer = ANSWERS[routeOf(method, path)];
    if (!answer) {
      report('schemas', `there is no schema for ${method} ${path}`);
      return;
    }
    this.#check(answer.schema, value, report);
    for (const [schema, part] of answer.defined?.(value as never) ?? []) this.#defined(schema, part, report);
  }

  /** Judges an event, under the specification's names. */
  event(value: unknown, report: Report): void {
    const type = typeOf(value);
    const schema = Object.hasOwn(EVENT_SCHEMAS, type) ? EVENT_SCHEMAS[type as keyof typeof EVENT_SCHEMAS] : undefined;
    if (schema) this.#check(schema, value, report);
    else report('schemas', `there is no event ${type}`);
    if (!this.#specification || isExtension(value)) return;
    const defined = this.#specification.eventSchema(type);
    if (defined === undefined) report('specification', `there is no event ${type}`);
    else this.#defined(defined, value, report);
  }

  /** Judges a message of a WebSocket: an event, or an error about a message of the client. */
  socketMessage(value: unknown, report: Report): void {
    if (typeOf(value) !== 'error' || !Object.hasOwn(value as object, 'status')) {
      this.event(value, report);
      return;
    }
    this.#check(webSocketErrorEvent, value, report);
    this.#defined('WebSocketErrorEvent', value, report);
  }

  #check(schema: z.ZodType, value: unknown, report: Report): void {
    const { error } = schema.safeParse(value);
    for (const { path, message } of error?.issues ?? []) report('schemas', `/${path.join('/')} ${message}`);
  }

  #defined(schema: string, value: unknown, report: Report): void {
    if (isExtension(value)) return;
    for (const problem of this.#specification?.problems(schema, withoutExtensions(value)) ?? []) {
      report('specification', `${schema}: ${problem}`);
    }
  }
}

/** `METHOD /v1/collection/:/part/:`, as the table names routes. */
function routeOf(method: string, path: string): string {
  const exact = `${method} ${path}`;
  if (Object.hasOwn(ANSWERS, exact)) return exact;
  const [version, collection, ...rest] = path.split('/').slice(1);
  // The name of a model may have slashes in it.
  if (collection === 'models' && rest.length > 0) return `${method} /${version}/models/:`;
  const named = rest.map((part, index) => (index % 2 === 0 ? ':' : part));
  return `${method} /${[version, collection, ...named].join('/')}`;
}

function typeOf(value: unknown): string {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  return typeof type === 'string' ? type : JSON.stringify(type) || 'undefined';
}

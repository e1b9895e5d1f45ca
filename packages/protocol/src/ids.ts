import { createHash } from 'node:crypto';
import { stringify, v7, validate } from 'uuid';

const HEX32 = /^[0-9a-f]{32}$/;

/** A step's identity: a lower-case UUIDv7 with dashes, as Postgres prints it. */
export type StepId = string;

/** A response's identity inside the system: a lower-case UUID with dashes. Its public form is `resp_<hex>`. */
export type ResponseId = string;

/** A conversation's identity inside the system, likewise. Its public form is `conv_<hex>`. */
export type ConversationId = string;

/** A new time-ordered identity. `now` is in milliseconds since the epoch. */
export function newId(now: number): string {
  return v7({ msecs: now });
}

/** The 32 hexadecimal digits of an identity. */
export function hexOf(id: string): string {
  return id.replaceAll('-', '');
}

/** `resp_<hex>`, the id a client sees. */
export function publicResponseId(id: ResponseId): string {
  return `resp_${hexOf(id)}`;
}

/** The inverse of {@link publicResponseId}; undefined for anything that is not a response id. */
export function parseResponseId(publicId: string): ResponseId | undefined {
  return parsePrefixed('resp_', publicId);
}

/** `step_<hex>`, the id a client sees. */
export function publicStepId(id: StepId): string {
  return `step_${hexOf(id)}`;
}

/** `conv_<hex>`, the id a client sees. */
export function publicConversationId(id: ConversationId): string {
  return `conv_${hexOf(id)}`;
}

/** The inverse of {@link publicConversationId}; undefined for anything that is not a conversation id. */
export function parseConversationId(publicId: string): ConversationId | undefined {
  return parsePrefixed('conv_', publicId);
}

/**
 * The response id of a request that carries an `Idempotency-Key`: a pure function of the owner and the key, so that the
 * same request sent twice names the same response.
 */
export function idempotentResponseId(owner: string, key: string): ResponseId {
  const bytes = createHash('sha256').update(owner).update('\0').update(key).digest().subarray(0, 16);
  // Version 8 and the RFC 9562 variant: an identity that is well-formed, and visibly not time-ordered.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return stringify(bytes);
}

/** The kinds of item that have an id, with its prefix. */
const PREFIX = {
  message: 'msg',
  reasoning: 'rs',
  function_call: 'fc',
  function_call_output: 'fco',
  compaction: 'cmp',
  mcp_list_tools: 'mcpl',
  mcp_call: 'mcp',
  mcp_approval_request: 'mcpr',
  mcp_approval_response: 'mcpa',
  call: 'call',
} as const;

const ITEM_ID = /^(?:msg|rs|fc|fco|cmp|mcp|mcpl|mcpr|mcpa)_([0-9a-f]{32})([0-9a-f]{4}|[1-9a-f][0-9a-f]{4,7})$/;

/**
 * The id of the item at `position` (0-based) among what a step produced, what a response was given, or what a
 * conversation holds. A retry or a replay names the same thing the same way.
 */
export function itemId(kind: keyof typeof PREFIX, origin: string, position: number): string {
  return `${PREFIX[kind]}_${hexOf(origin)}${position.toString(16).padStart(4, '0')}`;
}

/** Where an item comes from: the inverse of {@link itemId}; undefined for an id that this server did not make. */
export function parseItemId(id: string): { origin: string; position: number } | undefined {
  const [, hex, position] = ITEM_ID.exec(id) ?? [];
  if (hex === undefined || position === undefined) return undefined;
  const origin = uuidOf(hex);
  return validate(origin) ? { origin, position: Number.parseInt(position, 16) } : undefined;
}

function parsePrefixed(prefix: string, publicId: string): string | undefined {
  const hex = publicId.startsWith(prefix) ? publicId.slice(prefix.length) : '';
  const id = HEX32.test(hex) ? uuidOf(hex) : '';
  return validate(id) ? id : undefined;
}

function uuidOf(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

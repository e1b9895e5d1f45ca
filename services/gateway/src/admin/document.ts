/** The OpenAPI document of the admin API. Pure. */
import { ERRORS, type ErrorCode, errorEnvelope } from '@tailrace/protocol';
import { z } from 'zod';
import { pathParameters, queryParameters } from '../reference/parameters.ts';
import type { AdminOperation, NamedSchema } from './operation.ts';

type Json = Record<string, unknown>;

const EVERYWHERE: readonly ErrorCode[] = ['missing_api_key', 'invalid_api_key', 'internal_error', 'unavailable'];
const WITH_BODY: readonly ErrorCode[] = [
  'invalid_json',
  'invalid_value',
  'missing_required_parameter',
  'unknown_parameter',
  'request_too_large',
  'unsupported_media_type',
  'overloaded',
];

const INTRODUCTION =
  'What a team administers: keys, groups, models, tools and webhooks, and what they have been used for. Every request carries ' +
  'the operator’s own key (`ADMIN_API_KEY`). A change is in force on every process within a second of its answer. Secrets go ' +
  'in, and never come out again.';

/** The document of these operations; `version` is the server's own. */
export function adminDocument(version: string, operations: readonly AdminOperation[]): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationObject(operation) };
  }
  const bodies = operations.flatMap(({ body }) => body ?? []);
  const answers = operations.map(({ answer }) => answer);
  return {
    openapi: '3.1.0',
    info: { title: 'Tailrace administration', version, description: INTRODUCTION },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: {
        ...schemasOf(bodies, 'input'),
        ...schemasOf([...answers, { name: 'Error', schema: errorEnvelope }], 'output'),
      },
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'The key of the operator.' } },
    },
  };
}

function operationObject(operation: AdminOperation): Json {
  const { id, tag, summary, description, body } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [...pathParameters(operation), ...queryParameters(operation)],
    ...(body === undefined
      ? {}
      : { requestBody: { required: body.required, content: { 'application/json': { schema: refTo(body) } } } }),
    responses: { ...answers(operation), ...errorAnswers(operation) },
  };
}

function answers({ method, answer, creates }: AdminOperation): Json {
  const content = { 'application/json': { schema: refTo(answer) } };
  const made = creates ? { 201: { description: 'Made', content } } : {};
  return creates && method === 'post' ? made : { 200: { description: 'Done', content }, ...made };
}

function errorAnswers({ body, query, errors }: AdminOperation): Json {
  const asked: readonly ErrorCode[] = query ? ['invalid_value', 'unknown_parameter'] : [];
  const codes = [...new Set([...EVERYWHERE, ...(body ? WITH_BODY : []), ...asked, ...errors])];
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, its]) => [
      status,
      {
        description: its.map((code) => `\`${code}\``).join(', '),
        content: { 'application/json': { schema: refTo({ name: 'Error' }) } },
      },
    ]),
  );
}

function refTo({ name }: Pick<NamedSchema, 'name'>): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function schemasOf(named: readonly NamedSchema[], io: 'input' | 'output'): Record<string, Json> {
  const registry = z.registry<{ id: string }>();
  const unique = new Map(named.map(({ name, schema }) => [name, schema]));
  for (const [id, schema] of unique) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    io,
    uri: (id) => `#/components/schemas/${id}`,
    unrepresentable: 'any',
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _dialect, $id: _id, ...schema }]) => [name, schema]),
  );
}

/** The parameters of an operation, as OpenAPI writes them. Pure. */
import { z } from 'zod';
import type { JsonSchema } from './schemas.ts';

/** Those in a path: `/v1/responses/{id}`. */
export function pathParameters({ path }: { path: string }): JsonSchema[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

/** Those of a query. */
export function queryParameters({ query }: { query?: z.ZodObject }): JsonSchema[] {
  if (!query) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(query, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

/** List, look at, put and remove: what can be done with the entries of every section. */
import type { Database, Stored, Which } from '@tailrace/database';
import { ApiError, type ErrorCode, validate } from '@tailrace/protocol';
import type { AdminChange, Section } from '@tailrace/registry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { fromDatabase } from '../database-read.ts';
import { type AdminContext, type AdminOperation, pathParameter } from './operation.ts';
import { SHOWN_ONLY } from './resources.ts';

/** The query of a list. */
export const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  /** `next_page` of the page before. */
  page: z.string().min(1).max(128).optional(),
});

/** A section of the registry, as the admin API offers it. */
export interface SectionApi<Registered, Written extends { name: string }> {
  section: Section;
  /** One of them, as in `key`. */
  kind: string;
  tag: string;
  /** What is said of one in the reference. */
  putDescription: string;
  removeDescription?: string;
  schema: z.ZodType<Written>;
  resource: z.ZodType;
  read(database: Database, which: Which): Promise<Stored<Registered>[]>;
  show(stored: Stored<Registered>): unknown;
  change(entry: Written): AdminChange;
  putErrors: readonly ErrorCode[];
  removeErrors: readonly ErrorCode[];
}

/** The four operations of a section. */
export function entryOperations<Registered, Written extends { name: string }>(
  api: SectionApi<Registered, Written>,
): AdminOperation[] {
  const { section, kind, tag } = api;
  const type = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
  const list: `/admin/v1/${string}` = `/admin/v1/${section}`;
  const one: `/admin/v1/${string}` = `${list}/{name}`;
  const resource = { name: type, schema: api.resource };
  return [
    {
      method: 'get',
      path: list,
      id: `list${type}s`,
      tag,
      summary: `List the ${section}`,
      query: listQuery,
      answer: { name: `${type}List`, schema: listOf(api.resource) },
      errors: [],
      handle: (context, request) => handleList(api, context, request),
    },
    {
      method: 'get',
      path: one,
      id: `get${type}`,
      tag,
      summary: `Look at a ${kind}`,
      answer: resource,
      errors: ['entry_not_found'],
      handle: (context, request) => readOne(api, context, pathParameter(request, 'name')),
    },
    {
      method: 'put',
      path: one,
      id: `put${type}`,
      tag,
      summary: `Make a ${kind}, or put it in the place of the one of that name`,
      description: api.putDescription,
      body: { name: `${type}Entry`, schema: api.schema, required: true },
      answer: resource,
      creates: true,
      errors: api.putErrors,
      handle: (context, request, reply) => handlePut(api, context, request, reply),
    },
    {
      method: 'delete',
      path: one,
      id: `delete${type}`,
      tag,
      summary: `Remove a ${kind}`,
      ...(api.removeDescription === undefined ? {} : { description: api.removeDescription }),
      answer: { name: `Deleted${type}`, schema: deleted(kind) },
      errors: ['entry_not_found', ...api.removeErrors],
      handle: (context, request) => handleRemove(api, context, request),
    },
  ];
}

/**
 * An entry as it is now.
 * @throws ApiError `entry_not_found`
 */
export async function readOne<Registered, Written extends { name: string }>(
  { kind, read, show }: Pick<SectionApi<Registered, Written>, 'kind' | 'read' | 'show'>,
  { database }: Pick<AdminContext, 'database'>,
  name: string,
): Promise<unknown> {
  const [stored] = await fromDatabase(() => read(database, { name }));
  if (!stored) throw new ApiError('entry_not_found', { kind, name });
  return show(stored);
}

function listOf(resource: z.ZodType) {
  return z.strictObject({
    object: z.literal('list'),
    data: z.array(resource),
    has_more: z.boolean(),
    next_page: z.string().nullable(),
  });
}

function deleted(kind: string) {
  return z.strictObject({ object: z.literal(`${kind}.deleted`), name: z.string(), deleted: z.literal(true) });
}

async function handleList<Registered, Written extends { name: string }>(
  { read, show }: SectionApi<Registered, Written>,
  { database }: AdminContext,
  request: FastifyRequest,
): Promise<unknown> {
  const { limit, page } = validate(listQuery, request.query);
  const rows = await fromDatabase(() => read(database, { after: page, limit: limit + 1 }));
  const data = rows.slice(0, limit).map(show);
  const last = rows[limit - 1] as Stored<{ name: string }> | undefined;
  const more = rows.length > limit && last !== undefined;
  return { object: 'list', data, has_more: more, next_page: more ? last.entry.name : null };
}

async function handlePut<Registered, Written extends { name: string }>(
  api: SectionApi<Registered, Written>,
  context: AdminContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const name = pathParameter(request, 'name');
  const entry = validate(api.schema, writtenEntry(request.body, name));
  const existed = await context.changes.make(api.change(entry), request.id);
  reply.code(existed ? 200 : 201);
  return readOne(api, context, name);
}

/** What was sent, with the name that the path says, and without what was only shown. */
function writtenEntry(body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  if ('name' in body && body.name !== name) {
    throw new ApiError('invalid_value', { param: 'name', reason: 'the path says another one' }, { param: 'name' });
  }
  const said = Object.entries(body).filter(([field]) => !SHOWN_ONLY.includes(field));
  return { ...Object.fromEntries(said), name };
}

async function handleRemove<Registered, Written extends { name: string }>(
  { section, kind }: SectionApi<Registered, Written>,
  { changes }: AdminContext,
  request: FastifyRequest,
): Promise<unknown> {
  const name = pathParameter(request, 'name');
  await changes.make({ do: 'remove', section, name }, request.id);
  return { object: `${kind}.deleted`, name, deleted: true };
}

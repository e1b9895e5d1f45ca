/** What an operation of the admin API is: how it is reached, what it takes and gives, and who handles it. */
import type { ErrorCode } from '@tailrace/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { GatewayContext } from '../context.ts';
import type { AdminClient } from './admin-client.ts';

/** What operations work with. */
export interface AdminContext extends Pick<GatewayContext, 'database'> {
  changes: AdminClient;
}

/** A schema with its name in the reference. */
export interface NamedSchema {
  name: string;
  schema: z.ZodType;
}

/** One method of one path. Routes and reference are made of it. */
export interface AdminOperation {
  method: 'get' | 'post' | 'put' | 'delete';
  /** As OpenAPI writes it. The last parameter, at the end of the path, may hold slashes. */
  path: `/admin/v1/${string}`;
  id: string;
  tag: string;
  summary: string;
  description?: string;
  query?: z.ZodObject;
  body?: NamedSchema & { required: boolean };
  answer: NamedSchema;
  /** The status of its answer is 201 when it has made something. */
  creates?: true;
  /** Errors beside those that every operation, and every one with a body, may have. */
  errors: readonly ErrorCode[];
  /** Resolves with the answer's body; may set the status. */
  handle(context: AdminContext, request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
}

/** A parameter of the path. */
export function pathParameter(request: FastifyRequest, name: string): string {
  const params = request.params as Record<string, string>;
  return params[name] ?? params['*'] ?? '';
}

/** The routes of the admin API, and its reference. */
import { ApiError } from '@tailrace/protocol';
import { isStorable } from '@tailrace/registry';
import type { FastifyInstance } from 'fastify';
import type { GatewayContext } from '../context.ts';
import { SERVER_VERSION } from '../reference/version.ts';
import { AdminClient } from './admin-client.ts';
import { adminCheck } from './authorize.ts';
import { adminDocument } from './document.ts';
import type { AdminContext, AdminOperation } from './operation.ts';
import { ADMIN_OPERATIONS } from './operations.ts';

/** What the operator's side of a gateway is told. */
export interface AdminOptions {
  /** The operator's key. */
  key: string;
  /** Milliseconds that a change may take. */
  timeoutMs: number;
}

/** A change travels in one message. */
const BODY_LIMIT_BYTES = 512 * 1024;

/** Adds them to a server. */
export function addAdminRoutes(
  app: FastifyInstance,
  { bus, database, sealer }: Pick<GatewayContext, 'bus' | 'database' | 'sealer'>,
  { key, timeoutMs }: AdminOptions,
): void {
  const context: AdminContext = { database, changes: new AdminClient({ bus, sealer, timeoutMs }) };
  const check = adminCheck(key);
  for (const operation of ADMIN_OPERATIONS) {
    app.route({
      method: operation.method.toUpperCase(),
      url: routeOf(operation),
      bodyLimit: BODY_LIMIT_BYTES,
      config: { bodyless: operation.body?.required !== true },
      // Before the body is read.
      async onRequest(request, reply) {
        reply.header('cache-control', 'no-store');
        check(request);
      },
      async preHandler(request) {
        refuseUnstorable(request.params as Record<string, unknown>);
        refuseUnstorable(request.query as Record<string, unknown>);
      },
      handler: (request, reply) => operation.handle(context, request, reply),
    });
  }
  const document = JSON.stringify(adminDocument(SERVER_VERSION, ADMIN_OPERATIONS));
  app.get('/admin/v1/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(document));
}

/** Nothing in the database can be called so, and the database cannot even be asked. */
function refuseUnstorable(parameters: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(parameters)) {
    const param = name === '*' ? 'name' : name;
    for (const text of [value].flat()) {
      if (typeof text !== 'string' || isStorable(text)) continue;
      throw new ApiError('invalid_value', { param, reason: 'it holds a NUL' }, { param });
    }
  }
}

/** Names may hold slashes where nothing follows them. */
function routeOf({ path }: AdminOperation): string {
  return path.replace(/\{\w+\}$/, '*').replace(/\{(\w+)\}/g, ':$1');
}

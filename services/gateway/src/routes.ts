/** The routes of the API. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { authenticate } from './auth.ts';
import { handleCancel, handleDelete } from './change-response.ts';
import { handleCompact } from './compact.ts';
import type { GatewayContext } from './context.ts';
import { handleAddItems, handleItem, handleItems, handleRemoveItem } from './conversation-items.ts';
import {
  handleConversation,
  handleCreateConversation,
  handleDeleteConversation,
  handleUpdateConversation,
} from './conversations.ts';
import { handleCreate } from './create.ts';
import { handleInputItems } from './input-item-list.ts';
import { handleInputTokens } from './input-tokens.ts';
import { handleModel, handleModels } from './models.ts';
import { handleRelay } from './relay/relay.ts';
import { handleRetrieve, handleSteps } from './retrieve.ts';
import { handleDeliveries } from './webhook-deliveries.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Clients that send no body may still say that it is JSON. */
    bodyless?: boolean;
  }
}

/** Adds them to a server. */
export function addRoutes(app: FastifyInstance, context: GatewayContext): void {
  /** What makes a model work counts against the limits of its key. Who may not begin is told before the body is read. */
  const counted = {
    async onRequest(request: FastifyRequest) {
      const key = authenticate(context.registry, request);
      // What may have been accepted before is not begun again.
      if (!request.headers['idempotency-key']) context.limits.check(key);
    },
  };
  /** Whoever is not known is told before the body is read. */
  const known = {
    async onRequest(request: FastifyRequest) {
      authenticate(context.registry, request);
    },
  };
  const bodyless = { config: { bodyless: true } };
  app.post('/v1/responses', counted, (request, reply) => handleCreate(context, request, reply));
  app.post('/v1/responses/compact', counted, (request, reply) => handleCompact(context, request, reply));
  app.post('/v1/responses/input_tokens', counted, (request, reply) => handleInputTokens(context, request, reply));
  app.get('/v1/responses/:id', (request, reply) => handleRetrieve(context, request, reply));
  app.delete('/v1/responses/:id', bodyless, (request) => handleDelete(context, request));
  app.post('/v1/responses/:id/cancel', bodyless, (request) => handleCancel(context, request));
  app.get('/v1/responses/:id/input_items', (request) => handleInputItems(context, request));
  app.get('/v1/responses/:id/steps', (request) => handleSteps(context, request));
  app.post('/v1/conversations', { ...bodyless, ...known }, (request) => handleCreateConversation(context, request));
  app.get('/v1/conversations/:id', (request) => handleConversation(context, request));
  app.post('/v1/conversations/:id', known, (request) => handleUpdateConversation(context, request));
  app.delete('/v1/conversations/:id', bodyless, (request) => handleDeleteConversation(context, request));
  app.get('/v1/conversations/:id/items', (request) => handleItems(context, request));
  app.post('/v1/conversations/:id/items', known, (request) => handleAddItems(context, request));
  app.get('/v1/conversations/:id/items/:item_id', (request) => handleItem(context, request));
  app.delete('/v1/conversations/:id/items/:item_id', bodyless, (request) => handleRemoveItem(context, request));
  app.post('/v1/chat/completions', counted, (request, reply) =>
    handleRelay(context, request, reply, 'chat.completions'),
  );
  app.post('/v1/embeddings', counted, (request, reply) => handleRelay(context, request, reply, 'embeddings'));
  app.get('/v1/models', async (request) => handleModels(context, request));
  app.get('/v1/models/*', async (request) => handleModel(context, request));
  app.get('/v1/webhook_deliveries', (request) => handleDeliveries(context, request));
}

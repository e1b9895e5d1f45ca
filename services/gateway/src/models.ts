/** `GET /v1/models` and `GET /v1/models/{id}`: what a key may use. */
import { ApiError } from '@tailrace/protocol';
import type { RegisteredModel } from '@tailrace/registry';
import type { FastifyRequest } from 'fastify';
import { authenticate, registryOf } from './auth.ts';
import type { GatewayContext } from './context.ts';

/** Handles `GET /v1/models`. */
export function handleModels(context: Pick<GatewayContext, 'registry'>, request: FastifyRequest): unknown {
  const { groups } = authenticate(context.registry, request);
  const view = registryOf(context.registry);
  const names = [...view.models.keys()].sort();
  const data = names.flatMap((name) => view.modelFor(groups, name) ?? []).map(modelResourceOf);
  return { object: 'list', data };
}

/** Handles `GET /v1/models/{id}`. The name of a model may hold slashes. */
export function handleModel(context: Pick<GatewayContext, 'registry'>, request: FastifyRequest): unknown {
  const { groups } = authenticate(context.registry, request);
  const { '*': name } = request.params as { '*': string };
  const model = registryOf(context.registry).modelFor(groups, name);
  if (!model) throw new ApiError('model_not_found', { model: name }, { param: 'model' });
  return modelResourceOf(model);
}

/** Nobody knows when a model was made. */
function modelResourceOf({ name }: RegisteredModel): unknown {
  return { id: name, object: 'model', created: 0, owned_by: 'tailrace' };
}

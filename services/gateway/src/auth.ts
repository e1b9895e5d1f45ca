import { ApiError } from '@tailrace/protocol';
import type { RegisteredKey, RegistryView, RegistryWatch } from '@tailrace/registry';
import type { FastifyRequest } from 'fastify';

/**
 * Whose request this is. The registry is in memory: a wrong key costs no database.
 * @throws ApiError `missing_api_key`, `invalid_api_key`, `expired_api_key`; `unavailable` before the registry has arrived.
 */
export function authenticate(registry: RegistryWatch, request: FastifyRequest): RegisteredKey {
  const header = request.headers.authorization;
  const secret = header?.match(/^Bearer\s+(\S+)$/i)?.[1];
  if (!secret) throw new ApiError('missing_api_key');
  const key = registryOf(registry).key(secret, Date.now());
  if (!key) throw new ApiError('invalid_api_key');
  if (key === 'expired') throw new ApiError('expired_api_key');
  return key;
}

/**
 * What may be used at the moment.
 * @throws ApiError `unavailable` before the registry has arrived.
 */
export function registryOf(registry: RegistryWatch): RegistryView {
  const view = registry.current();
  if (!view) throw new ApiError('unavailable', { reason: 'the registry has not arrived yet' });
  return view;
}

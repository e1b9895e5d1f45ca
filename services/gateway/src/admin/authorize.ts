import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from '@tailrace/protocol';
import type { FastifyRequest } from 'fastify';

/** A check for the operator's key. It takes as long for every key of one length. */
export function adminCheck(adminKey: string): (request: Pick<FastifyRequest, 'headers'>) => void {
  const expected = digest(adminKey);
  /** @throws ApiError `missing_api_key`, `invalid_api_key` */
  return (request) => {
    const key = request.headers.authorization?.match(/^Bearer\s+(\S+)$/i)?.[1];
    if (!key) throw new ApiError('missing_api_key');
    if (!timingSafeEqual(digest(key), expected)) throw new ApiError('invalid_api_key');
  };
}

/** Of one length, which the comparison needs. */
function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

import { ApiError } from '@tailrace/protocol';

/**
 * What a read comes to.
 * @throws ApiError `unavailable` when the database does not answer.
 */
export async function fromDatabase<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('unavailable', { reason: 'the database does not answer' }, { cause: error });
  }
}

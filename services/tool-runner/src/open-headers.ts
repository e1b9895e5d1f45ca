import { ApiError } from '@tailrace/protocol';
import { type Sealed, type Sealer, UnsealError } from '@tailrace/registry';

/**
 * Headers as they are sent.
 * @throws ApiError `secret_unreadable`, which names `owner`
 */
export function openHeaders(
  sealed: Readonly<Record<string, Sealed>>,
  owner: string,
  sealer: Sealer,
): Record<string, string> {
  try {
    return Object.fromEntries(Object.entries(sealed).map(([name, value]) => [name.toLowerCase(), sealer.open(value)]));
  } catch (error) {
    if (error instanceof UnsealError) throw new ApiError('secret_unreadable', { name: owner }, { cause: error });
    throw error;
  }
}

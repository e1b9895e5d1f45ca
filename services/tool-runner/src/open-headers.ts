import { ApiError } from '@tailrace/protocol';
import { type Sealed, type Sealer, UnsealError } from '@tailrace/registry';

/**
 * A secret as it is needed.
 * @throws ApiError `secret_unreadable`, which names `owner`
 */
export function openSecret(sealed: Sealed, owner: string, sealer: Sealer): string {
  try {
    return sealer.open(sealed);
  } catch (error) {
    if (error instanceof UnsealError) throw new ApiError('secret_unreadable', { name: owner }, { cause: error });
    throw error;
  }
}

/**
 * Headers as they are sent.
 * @throws ApiError `secret_unreadable`, which names `owner`
 */
export function openHeaders(
  sealed: Readonly<Record<string, Sealed>>,
  owner: string,
  sealer: Sealer,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sealed).map(([name, value]) => [name.toLowerCase(), openSecret(value, owner, sealer)]),
  );
}

/** How secrets get into the registry: sealed, and left as they are when they are the same. */
import { ApiError } from '@tailrace/protocol';
import { HIDDEN, type Sealed, type Sealer } from '@tailrace/registry';

/** A secret that an operator has said, as it is stored. */
export interface SaidSecret {
  said: string;
  /** What is stored already, and may be the same secret. */
  present: readonly (Sealed | null)[];
  /** What is meant when the operator says that it shall stay as it is. */
  kept: Sealed | null | undefined;
  /** Where it was said, for the refusal. */
  param: string;
}

/**
 * The sealed secret.
 * @throws ApiError `invalid_value` when it shall stay as it is, and there is none.
 */
export function sealSecret(sealer: Sealer, { said, present, kept, param }: SaidSecret): Sealed {
  if (said === HIDDEN) {
    if (kept) return kept;
    throw new ApiError(
      'invalid_value',
      { param, reason: `there is no secret that '${HIDDEN}' could stand for` },
      { param },
    );
  }
  const same = present.find((sealed) => sealed !== null && sealer.canOpen(sealed) && sealer.open(sealed) === said);
  return same ?? sealer.seal(said);
}

/** The content of a compaction item: a summary that only this installation can read, for the key's owner alone. */
import { type Sealed, type Sealer, UnsealError } from './seal.ts';

/** The summary, sealed for an owner. */
export function sealCompaction(sealer: Sealer, owner: string, summary: string): Sealed {
  return sealer.seal(JSON.stringify({ owner, summary }));
}

/**
 * The summary in a compaction item.
 * @throws UnsealError for what this installation has not made, or has made for somebody else.
 */
export function openCompaction(sealer: Sealer, owner: string, sealed: Sealed): string {
  const content = JSON.parse(sealer.open(sealed)) as { owner?: unknown; summary?: unknown };
  if (content.owner === owner && typeof content.summary === 'string') return content.summary;
  throw new UnsealError(new Error('it was made for somebody else'));
}

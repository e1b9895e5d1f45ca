/** What the model of a response is told. */
import { type Prompt, prompt, type ResponseRecord, type Step } from '@tailrace/chain';
import { loadHistory, type Rooted, type Tables } from '@tailrace/database';
import { openCompaction } from '@tailrace/registry';
import type { Kysely } from 'kysely';
import type { StoreContext } from './context.ts';

/** The request of a response's next model call. */
export async function loadPrompt(
  context: { database: Kysely<Tables>; sealer: StoreContext['sealer'] },
  record: Rooted & Pick<ResponseRecord, 'owner'>,
  chain: readonly Step[],
): Promise<Prompt> {
  const history = await loadHistory(context.database, record);
  return prompt(record.request, chain, history, (sealed) => openCompaction(context.sealer, record.owner, sealed));
}

/** What the model of a response is told. */
import { type Prompt, prompt, type ResponseRecord, type Scope, type Step } from '@tailrace/chain';
import { loadHistory, type Rooted, type Tables } from '@tailrace/database';
import { ApiError, publicResponseId, type ResponseId } from '@tailrace/protocol';
import { openCompaction } from '@tailrace/registry';
import type { Kysely } from 'kysely';
import type { StoreContext } from './context.ts';

/** The request of the next model call in a scope. An agent knows nothing of the turns before. */
export async function loadPrompt(
  context: { database: Kysely<Tables>; sealer: StoreContext['sealer'] },
  record: Rooted & Pick<ResponseRecord, 'owner'>,
  chain: readonly Step[],
  scope: Scope,
): Promise<Prompt> {
  const history = scope === null ? await loadHistory(context.database, record) : [];
  return prompt(record.request, chain, scope, history, (sealed) =>
    openCompaction(context.sealer, record.owner, sealed),
  );
}

/** What a request is told that goes on from what is not there, or not with all that came before it. */
export function previousNotFound(id: ResponseId): ApiError {
  return new ApiError('previous_response_not_found', { id: publicResponseId(id) }, { param: 'previous_response_id' });
}

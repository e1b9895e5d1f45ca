import type { Evidence, ResponseEvidence } from './evidence.ts';
import { readDatabase } from './gather-database.ts';
import { readLogs } from './gather-logs.ts';

/** Where the evidence is. */
export interface EvidenceSource {
  databaseUrl: string;
  natsUrl: string;
}

/**
 * Reads what a run has left. To be called when everything has come to rest, or has had its time to: what has not ended by
 * now counts as stuck.
 */
export async function gather({ databaseUrl, natsUrl }: EvidenceSource): Promise<Evidence> {
  const responses = new Map<string, ResponseEvidence>();
  const of = (uuid: string): ResponseEvidence => {
    const id = `resp_${uuid.replaceAll('-', '')}`;
    const known = responses.get(id);
    if (known) return known;
    const empty: ResponseEvidence = { row: null, steps: [], analytics: [], log: [] };
    responses.set(id, empty);
    return empty;
  };
  // The logs first: what the chain has come to meanwhile can only be more, and a log that lacks its end is then seen.
  await readLogs(natsUrl, of);
  await readDatabase(databaseUrl, of);
  return { gatheredAt: Date.now(), responses };
}

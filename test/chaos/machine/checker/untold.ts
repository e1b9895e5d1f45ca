import type { ResponseRecord, RunRecord } from '../record/index.ts';
import type { Evidence } from './evidence.ts';

/** A row whose id no client was told. */
export interface UntoldRow {
  id: string;
  /** That of the try whose request it holds. */
  marker: string;
  /** Milliseconds since the epoch; null while it has not ended. */
  endedAt: number | null;
}

/** The rows that no client was told of, by the response whose request they hold. */
export function untoldRows({ responses }: RunRecord, evidence: Evidence): Map<ResponseRecord, UntoldRow[]> {
  const told = new Set(responses.flatMap(({ id, creates }) => [id, ...creates.map((create) => create.id)]));
  const untold = new Map<ResponseRecord, UntoldRow[]>();
  for (const [id, { row }] of evidence.responses) {
    if (!row || told.has(id)) continue;
    for (const response of responses) {
      const marker = markersOf(response).find((each) => hasLine(row.request, each));
      if (marker === undefined) continue;
      untold.set(response, [...(untold.get(response) ?? []), { id, marker, endedAt: row.endedAt }]);
      break;
    }
  }
  return untold;
}

function markersOf({ marker, creates }: ResponseRecord): string[] {
  return [...new Set([marker, ...creates.map((create) => create.marker)])];
}

/** Whether a text in this JSON begins with the line. */
function hasLine(json: string, line: string): boolean {
  const escaped = JSON.stringify(line).slice(0, -1);
  return json.includes(`${escaped}\\n`) || json.includes(`${escaped}"`);
}

/** A run in a file: lines of JSON, since a whole one can be longer than the longest string. */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Evidence, ResponseEvidence } from './checker/index.ts';
import type { Call, FaultRecord, MemorySample, ResponseRecord, RunRecord } from './record/index.ts';

/** All that a judgement needs, and what the report says beside it. */
export interface KeptRun<Facts> {
  facts: Facts;
  record: RunRecord;
  evidence: Evidence;
}

type Line<Facts> =
  | { is: 'run'; facts: Facts; seed: number; faults: FaultRecord[]; memory: MemorySample[]; gatheredAt: number }
  | { is: 'response'; response: ResponseRecord }
  | { is: 'call'; call: Call }
  | { is: 'evidence'; id: string; evidence: ResponseEvidence };

/** Writes a run; what was in the file before is gone. */
export async function writeRun<Facts>(path: string, run: KeptRun<Facts>): Promise<void> {
  const file = createWriteStream(path);
  for (const line of linesOf(run)) {
    if (!file.write(`${JSON.stringify(line)}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
}

/**
 * Reads what {@link writeRun} has written.
 * @throws Error when the file is something else.
 */
export async function readRun<Facts>(path: string): Promise<KeptRun<Facts>> {
  let run: KeptRun<Facts> | undefined;
  for await (const text of createInterface({ input: createReadStream(path) })) {
    const line = JSON.parse(text) as Line<Facts>;
    if (line.is === 'run') {
      const { facts, seed, faults, memory, gatheredAt } = line;
      const record = { seed, faults, memory, responses: [], calls: [] };
      run = { facts, record, evidence: { gatheredAt, responses: new Map() } };
    } else if (run === undefined) throw new Error(`${path} is not a run that was kept`);
    else if (line.is === 'response') run.record.responses.push(line.response);
    else if (line.is === 'call') run.record.calls.push(line.call);
    else run.evidence.responses.set(line.id, line.evidence);
  }
  if (run === undefined) throw new Error(`${path} is empty`);
  return run;
}

function* linesOf<Facts>({ facts, record, evidence }: KeptRun<Facts>): Generator<Line<Facts>> {
  const { seed, faults, memory } = record;
  yield { is: 'run', facts, seed, faults, memory, gatheredAt: evidence.gatheredAt };
  for (const response of record.responses) yield { is: 'response', response };
  for (const call of record.calls) yield { is: 'call', call };
  for (const [id, each] of evidence.responses) yield { is: 'evidence', id, evidence: each };
}

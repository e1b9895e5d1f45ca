/** A sample run taken apart, to be changed. */
import type { Call, ClientView, CreateAttempt, FaultRecord, ResponseRecord } from '../record/index.ts';
import type { ResponseEvidence, ResponseRow } from './evidence.ts';
import { SAMPLE_START, type SampleRun, sampleFrame } from './sample-run.ts';

/** The response that is broken. */
export const BROKEN = 1;
/** When it was asked for; milliseconds since the epoch. */
export const AT = SAMPLE_START + BROKEN * 1_000;

/** The sample run, and the response in it that something is done to. */
export interface Parts {
  run: SampleRun;
  response: ResponseRecord;
  evidence: ResponseEvidence;
}

/** The parts of a fresh sample run. */
export function parts(run: SampleRun): Parts {
  const response = there(run.record.responses[BROKEN]);
  return { run, response, evidence: there(run.evidence.responses.get(response.id ?? '')) };
}

/**
 * What has to be there.
 * @throws Error when it is not.
 */
export function there<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('the sample run has no such thing');
  return value;
}

/** The view of one of its clients. */
export const client = ({ response }: Parts, index: number): ClientView => there(response.clients[index]);
/** One of its steps. */
export const step = ({ evidence }: Parts, index: number) => there(evidence.steps[index]);
/** One message of its log; negative from the end. */
export const message = ({ evidence }: Parts, index: number) => there(evidence.log.at(index));
/** Exchanges an element with the next one. */
export const swap = <T>(list: T[], at: number) => list.splice(at, 2, there(list[at + 1]), there(list[at]));

/** Changes a text in the log and in everything that a client saw. */
export function everywhere({ response, evidence }: Parts, from: string, to: string): void {
  for (const each of evidence.log) each.text = each.text?.replaceAll(from, to) ?? null;
  for (const { frames } of response.clients) for (const frame of frames) frame.text = frame.text.replaceAll(from, to);
}

/** Adds a call of a model or a tool, like one that was made for it. */
export function addCall({ run, response }: Parts, call: Partial<Call>): void {
  const template = there(run.record.calls.find(({ text }) => text?.startsWith(response.marker)));
  run.record.calls.push({ ...template, ...call });
}

/** A try before the one that succeeded, without an `Idempotency-Key`. @returns its marker. */
export function tryWithoutKey({ response }: Parts, answer: Partial<CreateAttempt>): string {
  const marker = `${response.marker}.${response.creates.length}`;
  const create = { at: AT - 500, gateway: 0, marker, status: null, id: null, retryAfter: null, ...answer };
  response.idempotencyKey = null;
  response.creates.unshift(create);
  return marker;
}

/** A row of a request with this marker, which nobody was told of. */
export function leaveBehind({ run, response, evidence }: Parts, marker: string): ResponseRow {
  const row = there(evidence.row);
  const left = { ...row, request: row.request.replace(response.marker, marker) };
  const id = `resp_${String(run.evidence.responses.size).padStart(32, '0')}`;
  run.evidence.responses.set(id, { row: left, steps: [], analytics: [], log: [] });
  return left;
}

/** How a log is lost and begins anew. Times are milliseconds since the epoch. */
interface Anew {
  lostAt: number;
  at: number;
  /** How many of its messages had been stored by then: as one they are the first of the new log. */
  messages: number;
  /** By how much the numbers are higher than before. */
  gap: number;
}

/** The log is lost and begins anew. One client has left before, another one comes when it has begun. */
export function beginAnew(p: Parts, { lostAt, at, messages, gap }: Anew): void {
  const { response, evidence, run } = p;
  run.record.faults.push(wipe(lostAt));
  const [head, rest] = [evidence.log.slice(0, messages), evidence.log.slice(messages)];
  const begun = { ...there(head.at(-1)), at, first: 0, text: head.map(({ text }) => text).join('') };
  evidence.log = [{ ...begun, step: null, attempt: null, sealed: false }, ...rest].map((each) => ({
    ...each,
    first: each.first + gap,
    last: each.last + gap,
    text: (each.text ?? '')
      .replace(/^id: (\d+)$/gm, (_, id) => `id: ${Number(id) + gap}`)
      .replace(/"sequence_number":(\d+)/g, (_, id) => `"sequence_number":${Number(id) + gap}`),
  }));
  const [left, coming] = [client(p, 0), client(p, 1)];
  left.frames = left.frames.filter((frame) => frame.at < lostAt);
  Object.assign(left, { done: false, toTheEnd: false });
  coming.attaches = [{ at: at + 1, gateway: 0, after: -1 }];
  coming.frames = evidence.log.flatMap((each) =>
    (each.text ?? '')
      .split('\n\n')
      .filter(Boolean)
      .map((text) => ({ at: each.at + 2, text })),
  );
  response.endedAt = coming.frames.at(-1)?.at ?? at;
}

/** Takes it out of the database: what its calls came to stays. */
export function remove({ evidence }: Parts): void {
  Object.assign(evidence, { row: null, steps: [], log: [] });
}

/** The frame of its terminal event under another number. */
export function terminalAgain(number: number, { response }: Parts): string {
  return sampleFrame(number, 'response.completed', { response: response.polls[0]?.body });
}

/** A fault that takes all logs. */
export const wipe = (from: number): FaultRecord => ({
  kind: 'wipe',
  target: 'nats',
  from,
  to: from + 50,
  takesLogs: 'all',
});

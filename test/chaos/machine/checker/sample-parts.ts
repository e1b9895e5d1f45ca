/** A sample run taken apart, to be changed. */
import type { Call, ClientView, FaultRecord, ResponseRecord } from '../record/index.ts';
import type { ResponseEvidence } from './evidence.ts';
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

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Bus,
  decodeMessage,
  encodeMessage,
  isSilence,
  STEP_SUBJECT,
  type StepAnswer,
  type StepQuestion,
} from '@tailrace/bus';

/** Where a step stands, as far as the chain knows; undefined when nobody answers within `timeoutMs`. */
export async function askAboutStep(
  bus: Bus,
  question: StepQuestion,
  timeoutMs: number,
): Promise<StepAnswer | undefined> {
  try {
    const answer = await bus.nc.request(STEP_SUBJECT, encodeMessage(question), { timeout: timeoutMs });
    return decodeMessage<StepAnswer>(STEP_SUBJECT, answer.data);
  } catch (error) {
    if (isSilence(error)) return undefined;
    throw error;
  }
}

const AGAIN_MS = 250;

/** The same, for what must not be done on a guess: asks until somebody answers. Rejects when `signal` is aborted. */
export async function askUntilAnswered(
  bus: Bus,
  question: StepQuestion,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<StepAnswer> {
  for (;;) {
    const answer = await askAboutStep(bus, question, timeoutMs);
    if (answer) return answer;
    await sleep(AGAIN_MS, undefined, { signal });
  }
}

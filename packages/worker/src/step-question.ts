import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Bus,
  decodeMessage,
  encodeMessage,
  isSilence,
  STEP_HOLD_MS,
  STEP_SUBJECT,
  StaleDelivery,
  type StepAnswer,
  type StepQuestion,
} from '@tailrace/bus';
import { isOfLaterMessage } from '@tailrace/chain';
import { ApiError, type StepId } from '@tailrace/protocol';
import { StepSuperseded } from './superseded.ts';

/** Milliseconds that an answer may take, and until the question is asked again. */
const ANSWER_MS = 2_000;
const AGAIN_MS = 250;

/** Where a step stands, as far as the chain knows. Asks until somebody answers; rejects when `signal` is aborted. */
export async function askAboutStep(bus: Bus, question: StepQuestion, signal: AbortSignal): Promise<StepAnswer> {
  for (;;) {
    try {
      const answer = await bus.nc.request(STEP_SUBJECT, encodeMessage(question), { timeout: ANSWER_MS });
      return decodeMessage<StepAnswer>(STEP_SUBJECT, answer.data);
    } catch (error) {
      if (!isSilence(error)) throw error;
    }
    await sleep(AGAIN_MS, undefined, { signal });
  }
}

/**
 * Whether the outcome of a step is recorded, or the step is not there any more. Asks until somebody answers.
 * @throws whatever aborts `signal`.
 */
export async function isRecorded(
  bus: Bus,
  { responseId, stepId }: Pick<StepQuestion, 'responseId' | 'stepId'>,
  signal: AbortSignal,
): Promise<boolean> {
  return (await askAboutStep(bus, { responseId, stepId, begins: null, startedAt: 0, once: false }, signal)).ended;
}

/** An attempt at a step, as it tells of itself. */
export interface StepAttempt extends Pick<StepQuestion, 'responseId' | 'stepId'> {
  attempt: number;
  /** Milliseconds since the epoch. */
  startedAt: number;
}

/**
 * Takes a step for an attempt, from all earlier ones. Resolves when that is recorded, with whether an earlier one has, or may
 * have, begun, and with how long the attempt can rely on having it: until then, by the monotonic clock, it may begin what is
 * not to be done again once the step is recorded.
 * @throws StepSuperseded when the step is over, or a later message carries it on; StaleDelivery when a later delivery of this
 * message does; whatever aborts `signal`.
 */
export async function takeStep(
  bus: Bus,
  { responseId, stepId, attempt, startedAt }: StepAttempt,
  signal: AbortSignal,
): Promise<{ begun: boolean; until: number }> {
  for (;;) {
    const askedAt = performance.now();
    const answer = await askAboutStep(bus, { responseId, stepId, begins: attempt, startedAt, once: false }, signal);
    checkMine(answer, stepId, attempt);
    if (answer.wait === undefined) return { begun: answer.begun, until: askedAt + STEP_HOLD_MS };
    await sleep(answer.wait, undefined, { signal });
  }
}

/**
 * Resolves when it is recorded that this attempt, and no other, does what must not be done twice.
 * @throws ApiError `tool_interrupted` when another delivery has begun it; otherwise as {@link takeStep}.
 */
export async function beginOnce(bus: Bus, { attempt, startedAt, ...step }: StepAttempt, signal: AbortSignal) {
  for (;;) {
    const answer = await askAboutStep(bus, { ...step, begins: attempt, startedAt, once: true }, signal);
    checkMine(answer, step.stepId, attempt);
    if (answer.begun) throw new ApiError('tool_interrupted');
    if (answer.wait === undefined) return;
    await sleep(answer.wait, undefined, { signal });
  }
}

function checkMine({ ended, later }: StepAnswer, stepId: StepId, attempt: number): void {
  if (ended) throw new StepSuperseded(stepId);
  if (later === undefined) return;
  throw isOfLaterMessage(later, attempt) ? new StepSuperseded(stepId) : new StaleDelivery(stepId);
}

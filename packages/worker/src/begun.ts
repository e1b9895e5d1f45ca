import { NoRespondersError, RequestError, TimeoutError } from '@nats-io/nats-core';
import { BEGUN_SUBJECT, type BegunQuestion, type Bus, decodeMessage, encodeMessage } from '@tailrace/bus';

/** Milliseconds until a question without an answer counts as answered with yes. */
const ANSWER_MS = 2_000;

/** Whether a step has been begun, as far as the chain knows; also when nobody can be asked. */
export async function askWhetherBegun(bus: Bus, question: BegunQuestion): Promise<boolean> {
  try {
    const answer = await bus.nc.request(BEGUN_SUBJECT, encodeMessage(question), { timeout: ANSWER_MS });
    return decodeMessage<{ begun: boolean }>(BEGUN_SUBJECT, answer.data).begun;
  } catch (error) {
    const silent = error instanceof NoRespondersError || error instanceof RequestError || error instanceof TimeoutError;
    if (silent) return true;
    throw error;
  }
}

/**
 * Whether somebody still waits for a command's answer. Who does not has been told to try again: what is not done yet must
 * not be done behind its back.
 *
 * A command can be late in any number of ways (in a socket, in the queue, in the hands of a process that stood still), and no
 * clock tells by how much: those of two machines may differ by anything. So whoever waits is asked, unless both clocks agree
 * that the command has only just been sent.
 */

import type { Asking, Waiting } from './commands.ts';
import type { Bus } from './connection.ts';
import { decodeMessage } from './messages.ts';
import { isSilence } from './silence.ts';

/** Milliseconds between the two clocks' times up to which a command is new. */
const NEW_MS = 1_000;
/** Milliseconds before which nobody gives up who has not said so: what is too young to be asked about is waited for. */
export const LEAST_WAIT_MS = 1.2 * NEW_MS;
/** Milliseconds after which somebody who does not answer is taken for gone. */
const ANSWER_MS = 1_000;

/** See the file's head. `redelivered` says that the command has been in other hands before. */
export async function isWaitedFor(bus: Pick<Bus, 'nc'>, asked: Asking, redelivered: boolean): Promise<boolean> {
  const age = Math.abs(Date.now() - asked.askedAt);
  if (!redelivered && age < Math.min(NEW_MS, asked.waitMs / 2)) return true;
  return (await askBack(bus, asked))?.waiting ?? false;
}

/** Whether somebody has waited in vain, and said so to whoever wanted it. Who is gone has told nobody anything. */
export async function hasGivenUp(bus: Pick<Bus, 'nc'>, asked: Asking): Promise<boolean> {
  return (await askBack(bus, asked))?.gaveUp ?? false;
}

/** Undefined when there is no answer. */
async function askBack(bus: Pick<Bus, 'nc'>, { replyTo }: Asking): Promise<Waiting | undefined> {
  try {
    const answer = await bus.nc.request(replyTo, undefined, { timeout: ANSWER_MS });
    return decodeMessage<Waiting>(replyTo, answer.data);
  } catch (error) {
    if (isSilence(error)) return undefined;
    throw error;
  }
}

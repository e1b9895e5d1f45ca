/**
 * Whether somebody still waits for a command's answer. Who does not has been told to try again: what is not done yet must
 * not be done behind its back.
 *
 * A command can be late in any number of ways (in a socket, in the queue, in the hands of a process that stood still), and no
 * clock tells by how much: those of two machines may differ by anything. So whoever waits is asked, unless both clocks agree
 * that the command has only just been sent.
 */

import type { Bus } from './connection.ts';
import { type Asked, decodeMessage, type Waiting } from './messages.ts';
import { isSilence } from './silence.ts';

/** Milliseconds between the two clocks' times up to which a command is new. */
const NEW_MS = 1_000;
/** Milliseconds after which somebody who does not answer is taken for gone. */
const ANSWER_MS = 1_000;

/** See the file's head. `redelivered` says that the command has been in other hands before. */
export async function isWaitedFor(bus: Pick<Bus, 'nc'>, asked: Asked, redelivered: boolean): Promise<boolean> {
  const age = Math.abs(Date.now() - asked.askedAt);
  if (!redelivered && age < Math.min(NEW_MS, asked.waitMs / 2)) return true;
  try {
    const answer = await bus.nc.request(asked.replyTo, undefined, { timeout: ANSWER_MS });
    return decodeMessage<Waiting>(asked.replyTo, answer.data).waiting;
  } catch (error) {
    if (isSilence(error)) return false;
    throw error;
  }
}

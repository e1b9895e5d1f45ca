/** The stored log: I1, I2 and what its messages say of themselves. */
import { brokenEnd, brokenOrder } from './check-order.ts';
import type { LogMessage } from './evidence.ts';
import { eventIn, type Frame, isTerminal, MalformedFrame, readFrame } from './frame.ts';
import type { Subject } from './subject.ts';
import type { Finding } from './violation.ts';

/** The first thing that is wrong with a log; what follows from it is not told. */
export function checkLog(subject: Subject): Finding[] {
  const { evidence, logFrames, losses, mayBeGone } = subject;
  const { log, row } = evidence;
  if (log.length === 0) {
    // What has not ended may never have been taken up; that it is stuck is told elsewhere.
    const missing = row?.endedAt != null && losses.length === 0 && !mayBeGone;
    return missing ? [{ invariant: 'I1', what: 'the log is gone, and nothing has taken it' }] : [];
  }
  const order =
    brokenMessages(log) ??
    brokenOrder(logFrames, -1, losses) ??
    (logFrames[0]?.type === 'response.created' ? undefined : 'the log does not begin with response.created') ??
    malformed(logFrames);
  if (order !== undefined) return [{ invariant: 'I1', what: `the log: ${order}` }];
  const end = brokenEnd(logFrames, row?.endedAt != null) ?? brokenEndedHeader(log);
  return end === undefined ? [] : [{ invariant: 'I2', what: `the log: ${end}` }];
}

/** What is wrong with the frames themselves. */
export function malformed(frames: readonly Frame[]): string | undefined {
  for (const frame of frames) {
    try {
      eventIn(frame);
    } catch (error) {
      if (error instanceof MalformedFrame) return error.message;
      throw error;
    }
  }
  return undefined;
}

/** Each message says where it stands; that is so, and its frames are whole. */
function brokenMessages(log: readonly LogMessage[]): string | undefined {
  let cursor = 0;
  let last = -1;
  for (const message of log) {
    const { streamSeq, first, text } = message;
    const name = `message ${streamSeq}`;
    if (text === null) return `the payload of ${name} is gone`;
    if (text !== '' && !text.endsWith('\n\n')) return `${name} ends inside a frame`;
    const numbers = numbersIn(message);
    if (numbers.length !== message.last - first + 1 || numbers.some((number, index) => number !== first + index)) {
      return `${name} says ${first} to ${message.last}, and holds ${numbers.join(', ') || 'nothing'}`;
    }
    if (first <= last) return `${name} begins with ${first}, after ${last}`;
    if (message.cursor < cursor) return `${name} holds ${message.cursor} entries, after ${cursor}`;
    cursor = message.cursor;
    last = message.last;
  }
  return undefined;
}

/** The header that tells followers of the end stands where the end is. */
function brokenEndedHeader(log: readonly LogMessage[]): string | undefined {
  for (const { streamSeq, text, ended, at } of log) {
    const lastFrame = framesOf(text).at(-1);
    const ends = lastFrame !== undefined && isTerminal(readFrame(lastFrame, at));
    if (ends !== (ended !== null)) {
      return ends
        ? `message ${streamSeq} does not say that it ends`
        : `message ${streamSeq} says ${ended}, and goes on`;
    }
  }
  return undefined;
}

const framesOf = (text: string | null) => (text ?? '').split('\n\n').filter((frame) => frame !== '');
const numbersIn = ({ text, at }: LogMessage) => framesOf(text).map((frame) => readFrame(frame, at).number);

import {
  AT,
  beginAnew,
  client,
  everywhere,
  message,
  type Parts,
  swap,
  terminalAgain,
  there,
  wipe,
} from './sample-parts.ts';
import { sampleFrame } from './sample-run.ts';
import type { Invariant } from './violation.ts';

/** Each breaks what clients see, and nothing else. */
export const PLANTED_IN_STREAMS: [what: string, invariant: Invariant, plant: (parts: Parts) => void][] = [
  ['a client misses an event', 'I1', (p) => client(p, 0).frames.splice(4, 1)],
  ['a client gets an event twice', 'I1', (p) => client(p, 0).frames.splice(5, 0, there(client(p, 0).frames[4]))],
  ['a client gets events in another order', 'I1', (p) => swap(client(p, 0).frames, 6)],
  ['a client that attached anew misses an event', 'I1', (p) => client(p, 1).frames.splice(3, 1)],
  [
    'a client that attached anew gets the last event that it had seen',
    'I1',
    (p) => client(p, 1).frames.splice(3, 0, there(client(p, 1).frames[2])),
  ],
  ['the log lacks a message', 'I1', ({ evidence }) => evidence.log.splice(2, 1)],
  ['the log is gone', 'I1', ({ evidence }) => evidence.log.splice(0)],
  [
    'a message of the log holds fewer events than it says',
    'I1',
    (p) => {
      message(p, 4).text = there(message(p, 4).text).replace(/^.+?\n\n/s, '');
    },
  ],
  [
    'the payload of a message is gone',
    'I1',
    (p) => {
      message(p, 4).text = null;
    },
  ],
  [
    'the log goes back in the chain',
    'I1',
    (p) => {
      message(p, 4).cursor = 1;
    },
  ],
  [
    'an event says another number than its frame',
    'I1',
    (p) => everywhere(p, '"sequence_number":3', '"sequence_number":4'),
  ],
  [
    'a client gets a second terminal event',
    'I2',
    (p) => client(p, 0).frames.push({ at: AT + 300, text: terminalAgain(16, p) }),
  ],
  [
    'the log has a second terminal event',
    'I2',
    (p) => {
      p.evidence.log.push({
        ...message(p, -1),
        streamSeq: 2_000,
        first: 16,
        last: 16,
        text: `${terminalAgain(16, p)}\n\n`,
      });
    },
  ],
  [
    'something follows the terminal event',
    'I2',
    (p) => client(p, 1).frames.push({ at: AT + 300, text: sampleFrame(16, 'response.in_progress', {}) }),
  ],
  ['a client is told of an end without a terminal event', 'I2', (p) => client(p, 0).frames.pop()],
  ['the log has no terminal event', 'I2', ({ evidence }) => evidence.log.pop()],
  [
    'the message that ends the log does not say so',
    'I2',
    (p) => {
      message(p, -1).ended = null;
    },
  ],
  [
    'GET says something else',
    'I3',
    ({ response }) => {
      there(response.polls[0]).body = { ...(response.polls[0]?.body as object), model: 'other' };
    },
  ],
  ['the deltas add up to something else', 'I3', (p) => everywhere(p, '"delta":"noon."', '"delta":"noon!"')],
  [
    'an item is done that was not added',
    'I3',
    (p) => everywhere(p, '"item_id":"msg_1","output_index":2', '"item_id":"msg_9","output_index":2'),
  ],
  [
    'the row says another status',
    'I3',
    ({ evidence }) => {
      there(evidence.row).status = 'failed';
    },
  ],
  [
    'one byte is another after an attach',
    'I4',
    (p) => {
      const frame = there(client(p, 1).frames.find(({ text }) => text.includes('It is "')));
      frame.text = frame.text.replace('It is', 'It Is');
    },
  ],
  [
    'a log that was lost begins anew with a number that a client has seen',
    'I1',
    (p) => beginAnew(p, { lostAt: AT + 250, at: AT + 300, messages: 6, gap: 15 }),
  ],
  [
    'a log that was lost while its response ran begins anew with numbers that a client has seen',
    'I1',
    (p) => {
      beginAnew(p, { lostAt: AT + 120, at: AT + 130, messages: 3, gap: 6 });
      // Of what was seen before nothing but the number is known to be another event.
      const last = there(client(p, 0).frames.pop());
      const same = there(client(p, 1).frames[0]);
      client(p, 0).frames.push({ at: last.at, text: same.text });
    },
  ],
  [
    'after a log was lost while its response ran, a client is told something else under a number that was seen before',
    'I4',
    (p) => {
      beginAnew(p, { lostAt: AT + 120, at: AT + 130, messages: 3, gap: 1_000_000 });
      const others = [there(client(p, 0).frames[0]).text, sampleFrame(1, 'response.in_progress', { other: 'bytes' })];
      client(p, 1).frames.unshift(...others.map((text) => ({ at: AT + 131, text })));
    },
  ],
  [
    'two clients differ before the log was lost',
    'I4',
    (p) => {
      p.run.record.faults.push(wipe(AT + 5_000));
      p.evidence.log.splice(0);
      const frame = there(client(p, 1).frames.find(({ text }) => text.includes('It is "')));
      frame.text = frame.text.replace('It is', 'It Is');
    },
  ],
];

import {
  AT,
  addCall,
  client,
  everywhere,
  leaveBehind,
  message,
  type Parts,
  remove,
  step,
  there,
  tryWithoutKey,
} from './sample-parts.ts';
import type { Invariant } from './violation.ts';

/** Each breaks what is recorded or done, and nothing else. */
export const PLANTED_IN_RECORDS: [what: string, invariant: Invariant, plant: (parts: Parts) => void][] = [
  [
    'a step completed and failed',
    'I5',
    (p) => {
      step(p, 1).failedAt = AT + 96;
    },
  ],
  [
    'a step was recorded twice',
    'I5',
    (p) => p.evidence.log.splice(5, 0, { ...message(p, 4), streamSeq: 1_006, first: 15, last: 14, text: '' }),
  ],
  [
    'two steps follow the same one',
    'I5',
    (p) => {
      step(p, 2).prevStepId = step(p, 0).id;
      step(p, 1).prevStepId = step(p, 0).id;
    },
  ],
  [
    'a step is open when its response has ended',
    'I5',
    (p) => {
      Object.assign(step(p, 2), { state: 'processing', completedAt: null, endedEntry: null });
    },
  ],
  [
    'a call is answered twice',
    'I5',
    (p) => {
      const [from, to] = [
        '"type":"message","id":"msg_1"',
        '"type":"function_call_output","call_id":"call_1","id":"msg_1"',
      ];
      everywhere(p, from, to);
      for (const poll of p.response.polls) poll.body = JSON.parse(JSON.stringify(poll.body).replace(from, to));
    },
  ],
  [
    'a model is called for a step that nobody recorded',
    'I5',
    (p) => {
      addCall(p, { at: AT + 192, messages_count: 5, client_request_id: 'more' });
      p.evidence.analytics.push({ ...there(p.evidence.analytics[0]), id: 'more', stepId: 'unknown' });
    },
  ],
  [
    'a model is called after its step was recorded',
    're-executed',
    (p) => {
      addCall(p, { at: AT + 70, messages_count: 1, client_request_id: 'again' });
      p.evidence.analytics.push({ ...there(p.evidence.analytics[0]), id: 'again', attempt: 2 });
    },
  ],
  [
    'a tool is called after its step was recorded',
    're-executed',
    (p) => {
      const again = { idempotency_key: step(p, 1).id, client_request_id: 'again' };
      addCall(p, { kind: 'tool', at: AT + 100, text: null, ...again });
      p.evidence.analytics.push({ ...there(p.evidence.analytics[1]), id: 'again', attempt: 2 });
    },
  ],
  [
    'a tool is called after the log told what its step came to',
    're-executed',
    (p) => {
      for (const each of p.evidence.steps) each.committedAt = null;
      const again = { idempotency_key: step(p, 1).id, client_request_id: 'again' };
      addCall(p, { kind: 'tool', at: AT + 150, text: null, ...again });
      p.evidence.analytics.push({ ...there(p.evidence.analytics[1]), id: 'again', attempt: 2 });
    },
  ],
  ['a response is lost', 'lost', remove],
  [
    'a response does not end',
    'stuck',
    (p) => {
      Object.assign(there(p.evidence.row), { status: 'in_progress', endedAt: null });
      Object.assign(step(p, 2), { state: 'processing', completedAt: null, endedEntry: null });
      p.evidence.log.pop();
      p.run.record.calls = p.run.record.calls.filter(({ at }) => at !== AT + 110);
      p.evidence.analytics.pop();
      for (const view of p.response.clients) {
        view.frames.pop();
        view.done = false;
      }
    },
  ],
  [
    'a client never gets to the end',
    'stuck',
    (p) => {
      client(p, 1).frames.pop();
      client(p, 1).done = false;
    },
  ],
  [
    'one key makes two responses, and tells both',
    'duplicated',
    ({ response }) =>
      response.creates.push({ ...there(response.creates[0]), id: 'resp_00000000000070008000000000009999' }),
  ],
  [
    'one key makes two responses, and tells one',
    'duplicated',
    ({ run, evidence }) =>
      run.evidence.responses.set('resp_00000000000070008000000000009999', {
        row: evidence.row,
        steps: [],
        analytics: [],
        log: [],
      }),
  ],
  ['a 503 leaves something behind', 'left behind', (p) => leaveBehind(p, tryWithoutKey(p, { status: 503 }))],
  ['a refusal leaves something behind', 'left behind', (p) => leaveBehind(p, tryWithoutKey(p, { status: 429 }))],
  [
    'a 503 leaves something behind, of a gateway that had been killed before, and one beside that is killed',
    'left behind',
    (p) => {
      const killed = { kind: 'process-killed', to: AT };
      p.run.record.faults.push({ ...killed, target: 'gateway 0', from: AT - 900 });
      p.run.record.faults.push({ ...killed, target: 'gateway 1', from: AT - 400 });
      leaveBehind(p, tryWithoutKey(p, { status: 503 }));
    },
  ],
  [
    'one try without a key, whose answer never came, makes two responses',
    'left behind',
    (p) => {
      const marker = tryWithoutKey(p, { status: null });
      leaveBehind(p, marker);
      leaveBehind(p, marker);
    },
  ],
  [
    'one try without a key makes the response that it tells, and another one',
    'left behind',
    (p) => {
      tryWithoutKey(p, { status: null });
      leaveBehind(p, p.response.marker);
    },
  ],
  [
    'what a try without an answer has made does not end',
    'stuck',
    (p) => {
      leaveBehind(p, tryWithoutKey(p, { status: null })).endedAt = null;
    },
  ],
  [
    'the owner is told that it is not there',
    'I6',
    ({ response }) => response.polls.unshift({ at: AT + 100, status: 404, body: {} }),
  ],
  ['a call of the model is not booked', 'analytics', ({ evidence }) => evidence.analytics.shift()],
  ['a call of a tool is not booked', 'analytics', ({ evidence }) => evidence.analytics.splice(1, 1)],
  [
    'a call is booked twice',
    'analytics',
    ({ evidence }) => evidence.analytics.push({ ...there(evidence.analytics[0]), id: 'twice', call: 2 }),
  ],
  [
    'a call is booked that was not made, and no fault was there to keep it from being made',
    'analytics',
    ({ evidence }) => evidence.analytics.push({ ...there(evidence.analytics[0]), id: 'never', call: 2, status: null }),
  ],
  [
    'a call whose worker was killed is not booked',
    'analytics',
    (p) => {
      p.run.record.faults.push({ kind: 'process-killed', target: 'model-caller 0', from: AT + 35, to: AT + 45 });
      addCall(p, { at: AT + 32, messages_count: 1, client_request_id: 'killed', ended: 'aborted' });
    },
  ],
  [
    'two calls are made under one id',
    'analytics',
    (p) => addCall(p, { at: AT + 31, messages_count: 1, client_request_id: there(p.evidence.analytics[0]).id }),
  ],
  [
    'another owner reads it',
    'I7',
    ({ response }) => {
      there(response.foreign[0]).status = 200;
    },
  ],
  [
    'another owner is told that it exists',
    'I7',
    ({ response }) => {
      there(response.foreign[0]).status = 403;
    },
  ],
];

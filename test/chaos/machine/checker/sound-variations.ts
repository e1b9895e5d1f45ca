import {
  AT,
  addCall,
  beginAnew,
  client,
  leaveBehind,
  message,
  type Parts,
  remove,
  step,
  there,
  tryWithoutKey,
  wipe,
} from './sample-parts.ts';
import { sampleFrame } from './sample-run.ts';

/** Runs in which something happened, and nothing is broken. */
export const SOUND: [what: string, arrange: (parts: Parts) => void][] = [
  ['without faults', () => undefined],
  [
    'a log that was lost and begun anew',
    (p) => {
      p.run.record.faults.push(wipe(AT + 150));
      const gap = 1_000_000;
      const anew = [0, 1, 2, 3, 4, 5]
        .flatMap((index) => message(p, index).text?.split('\n\n').filter(Boolean) ?? [])
        .map((text) =>
          text
            .replace(/^id: (\d+)$/m, (_, id) => `id: ${Number(id) + gap}`)
            .replace(/"sequence_number":(\d+)/, (_, id) => `"sequence_number":${Number(id) + gap}`),
        );
      p.evidence.log = [
        {
          ...message(p, -1),
          at: AT + 210,
          first: gap,
          last: gap + anew.length - 1,
          text: anew.map((text) => `${text}\n\n`).join(''),
        },
      ];
      client(p, 0).frames.splice(10);
      client(p, 0).frames.push(...anew.map((text) => ({ at: AT + 220, text })));
      p.response.clients.splice(1, 1);
    },
  ],
  [
    'a log that was lost while its response ran',
    (p) => {
      beginAnew(p, { lostAt: AT + 120, at: AT + 130, messages: 3, gap: 1_000_000 });
      // One that reads slowly gets what had been sent before.
      const late = there(client(p, 0).frames.at(-1));
      late.at = AT + 500;
    },
  ],
  [
    'a log that is projected once more after it was purged',
    (p) => {
      p.run.record.faults.push({ ...wipe(AT + 5_000), takesLogs: [p.response.id ?? ''] });
      p.evidence.log.splice(0);
      const view = client(p, 1);
      view.attaches = [{ at: AT + 6_000, gateway: 0, after: -1 }];
      const [created] = client(p, 0).frames;
      const last = client(p, 0).frames.at(-1);
      view.frames = [
        there(created),
        { at: 0, text: sampleFrame(1, 'response.output_item.added', { other: 'bytes' }) },
        there(last),
      ].map(({ text }) => ({ at: AT + 6_001, text }));
    },
  ],
  [
    'a response that its owner deleted',
    (p) => {
      p.response.deletedAt = AT + 5_000;
      p.response.polls.push({ at: AT + 6_000, status: 404, body: {} });
      remove(p);
      client(p, 1).frames.pop();
    },
  ],
  [
    'a response that was not to be kept',
    (p) => {
      p.response.request.store = false;
      p.response.polls = [{ at: AT + 100, status: 404, body: {} }];
      remove(p);
    },
  ],
  [
    'a call whose worker was killed, and whose note was booked',
    (p) => {
      p.run.record.faults.push({ kind: 'process-killed', target: 'tool-runner 0', from: AT + 60, to: AT + 65 });
      addCall(p, {
        kind: 'tool',
        at: AT + 62,
        closed_at: AT + 63,
        ended: 'aborted',
        text: null,
        idempotency_key: step(p, 1).id,
        client_request_id: 'killed',
      });
      p.evidence.analytics.push({ ...there(p.evidence.analytics[1]), id: 'killed', status: null });
    },
  ],
  [
    'a worker that was killed between its note and its call',
    (p) => {
      p.run.record.faults.push({ kind: 'process-killed', target: 'tool-runner 0', from: AT + 60, to: AT + 65 });
      p.evidence.analytics.push({ ...there(p.evidence.analytics[1]), id: 'killed', status: null });
    },
  ],
  [
    'a note that was taken away with all of JetStream',
    (p) => {
      p.run.record.faults.push({ ...wipe(AT + 60), kind: 'nats-wiped', takesLogs: [] });
      p.evidence.analytics.splice(1, 1);
    },
  ],
  [
    'a call that was told to be made, and could not be, for a fault',
    (p) => {
      p.run.record.faults.push({ kind: 'link-refused', target: 'model-caller > upstream', from: AT + 20, to: AT + 30 });
      p.evidence.analytics.push({ ...there(p.evidence.analytics[0]), id: 'refused', call: 2, status: null });
    },
  ],
  [
    'an answer that came from a storm in front of the model',
    (p) => {
      p.run.record.faults.push({ kind: 'upstream-500', target: 'upstream', from: AT + 20, to: AT + 30 });
      p.evidence.analytics.push({ ...there(p.evidence.analytics[0]), id: 'storm', call: 2, status: 500 });
    },
  ],
  [
    'the calls of an agent',
    (p) => {
      step(p, 1).task = 'what it was told';
      const inner = { ...step(p, 0), id: 'inner', parentStepId: step(p, 1).id, sequence: 3, addedEntry: 2 };
      p.evidence.steps.push({
        ...inner,
        endedEntry: 3,
        createdAt: AT + 56,
        completedAt: AT + 90,
        committedAt: AT + 91,
      });
      addCall(p, { at: AT + 60, messages_count: 1, text: 'another marker', client_request_id: 'inner call' });
      p.evidence.analytics.push({ ...there(p.evidence.analytics[0]), id: 'inner call', stepId: 'inner' });
    },
  ],
  [
    'a client that left',
    (p) => {
      client(p, 1).frames.splice(6);
      Object.assign(client(p, 1), { done: false, toTheEnd: false });
    },
  ],
  [
    'a client that attached after the end',
    (p) => {
      p.response.clients.push({
        attaches: [{ at: AT + 900, gateway: 0, after: 15 }],
        frames: [],
        done: true,
        errors: [],
        toTheEnd: true,
      });
    },
  ],
  [
    'tries without a key, of one of which nobody was told',
    (p) => {
      tryWithoutKey(p, { status: 503 });
      leaveBehind(p, tryWithoutKey(p, { status: null }));
      tryWithoutKey(p, { status: null });
    },
  ],
  [
    'a gateway that was killed after it had answered with a 503',
    (p) => {
      p.run.record.faults.push({ kind: 'process-killed', target: 'gateway 1', from: AT - 3_000, to: AT - 1_000 });
      leaveBehind(p, tryWithoutKey(p, { at: AT - 4_000, gateway: 1, status: 503 }));
    },
  ],
  [
    'other owners whom nobody could answer',
    ({ response }) => {
      response.foreign.push(...[503, 429, null].map((status) => ({ at: AT, method: 'GET', path: '/', status })));
    },
  ],
];

import { AGENT_STEPS, inside, mcpClosing, mcpOpening, TASK } from './sample-agent.ts';
import { everywhere, type Parts, swap, there } from './sample-parts.ts';
import { type MessageSource, SAMPLE_START } from './sample-run.ts';
import type { Invariant } from './violation.ts';

/** How a sound run of a response with an agent is broken: in what stands in its log, or in the rest. */
export interface Planted {
  told?: (sources: MessageSource[]) => void;
  done?: (parts: Parts) => void;
}

const { asked, agent, shelf, looks, measures, says } = AGENT_STEPS;
const stepOf = ({ evidence }: Parts, id: string) => there(evidence.steps.find((step) => step.id === id));
/** The message in which the agent says what it found. */
const saying = (sources: MessageSource[]) => there(sources[7]).events;

/** A call like the first of a step, once more; it is booked. */
function again({ run, evidence }: Parts, stepId: string, change: { at: number; [field: string]: unknown }): void {
  const row = there(evidence.analytics.find((each) => each.stepId === stepId));
  const call = there(run.record.calls.find(({ client_request_id }) => client_request_id === row.id));
  run.record.calls.push({ ...call, closed_at: change.at + 1, client_request_id: 'again', ...change });
  evidence.analytics.push({ ...row, id: 'again', attempt: 2 });
}

/** Each breaks one thing. */
export const PLANTED_IN_AGENTS: [what: string, invariant: Invariant, planted: Planted][] = [
  ['an event inside an agent is told twice', 'I1', { told: (s) => saying(s).splice(1, 0, there(saying(s)[1])) }],
  ['a delta inside an agent is told twice', 'I1', { told: (s) => saying(s).splice(2, 0, there(saying(s)[2])) }],
  ['events inside an agent are told in another order', 'I1', { told: (s) => swap(saying(s), 2) }],
  ['the end of an item inside an agent is not told', 'I1', { told: (s) => saying(s).pop() }],
  ['an item inside an agent has no end', 'I1', { told: (s) => saying(s).push(...inside(says, mcpOpening(says, 3))) }],
  ['what a step inside an agent came to is not told', 'I1', { told: (s) => saying(s).splice(0) }],
  [
    'a client misses an event inside an agent',
    'I1',
    { done: ({ response }) => there(response.clients[0]).frames.splice(16, 1) },
  ],
  [
    'the log tells of an agent, and nobody has asked for that',
    'I3',
    { done: ({ response }) => delete response.request.include },
  ],
  [
    'an event says that its step is somewhere else',
    'I3',
    { told: (s) => saying(s).splice(0, 7, ...saying(s).map((event) => ({ ...event, parent_step_id: 'step_0' }))) },
  ],
  [
    'an event says another depth',
    'I3',
    { told: (s) => saying(s).splice(0, 7, ...saying(s).map((event) => ({ ...event, depth: 2 }))) },
  ],
  [
    'an agent says something else than its call came to',
    'I3',
    {
      done(p) {
        everywhere(p, '"output":"It is 21."', '"output":"It is 22."');
        for (const poll of p.response.polls) {
          poll.body = JSON.parse(JSON.stringify(poll.body).replace('"output":"It is 21."', '"output":"It is 22."'));
        }
      },
    },
  ],
  [
    'the arguments of a call of an MCP server add up to something else',
    'I3',
    { done: (p) => everywhere(p, `"output_index":2,"delta":"{\\"a\\":1}"`, `"output_index":2,"delta":"{}"`) },
  ],
  [
    'a call of an MCP server inside an agent is answered twice',
    'I5',
    { told: (s) => saying(s).push(...inside(measures, [...mcpOpening(measures, 3), ...mcpClosing(measures, 3)])) },
  ],
  [
    'a step inside an agent ends after its agent',
    'I5',
    {
      done(p) {
        stepOf(p, says).endedEntry = 7;
      },
    },
  ],
  [
    'a step inside an agent was added before it',
    'I5',
    {
      done(p) {
        stepOf(p, looks).addedEntry = 1;
      },
    },
  ],
  [
    'a step inside an agent follows one of another scope',
    'I5',
    {
      done(p) {
        stepOf(p, measures).prevStepId = shelf;
      },
    },
  ],
  [
    'a step follows one that was added later',
    'I5',
    {
      done(p) {
        stepOf(p, shelf).prevStepId = AGENT_STEPS.answered;
        stepOf(p, AGENT_STEPS.answered).prevStepId = agent;
      },
    },
  ],
  [
    'a step is below one that no agent answers',
    'I5',
    {
      done(p) {
        delete p.response.request.include;
        p.evidence.log = [];
        p.response.deletedAt = SAMPLE_START;
        p.response.clients = [];
        Object.assign(stepOf(p, looks), { parentStepId: asked });
        stepOf(p, measures).prevStepId = null;
      },
    },
  ],
  [
    "an agent's model is asked after its step was recorded",
    're-executed',
    { done: (p) => again(p, looks, { at: SAMPLE_START + 90 }) },
  ],
  [
    'an MCP server is called by an agent after its step was recorded',
    're-executed',
    { done: (p) => again(p, measures, { at: SAMPLE_START + 120 }) },
  ],
  [
    "an agent's model is asked for a step that nobody recorded",
    'I5',
    { done: (p) => again(p, says, { at: SAMPLE_START + 145, messages_count: 6 }) },
  ],
  [
    'the model of an agent is asked that nobody recorded',
    'I5',
    {
      done(p) {
        again(p, says, { at: SAMPLE_START + 145, text: `${TASK}.0\nx` });
        there(p.evidence.analytics.at(-1)).stepId = 'unknown';
      },
    },
  ],
  [
    "a call of an agent's model is not booked",
    'analytics',
    { done: ({ evidence }) => evidence.analytics.splice(2, 1) },
  ],
  ['a call of an MCP server is not booked', 'analytics', { done: ({ evidence }) => evidence.analytics.splice(1, 1) }],
];

/** A sound run of one response that shows its agent: the agent calls an MCP server, and so does the response's own model. */
import type { Parts } from './sample-parts.ts';
import {
  callOf,
  logOf,
  type MessageSource,
  SAMPLE_START,
  type SampleEvent,
  sampleFrame,
  sampleRun,
  stepOf,
} from './sample-run.ts';

const uuid = (last: number) => `00000000-0000-7000-8000-${String(last).padStart(12, '0')}`;
const hex = (id: string) => id.replaceAll('-', '');

/** The steps: the response's own are `asked`, `agent`, `shelf` and `answered`, those of the agent `looks`, `measures` and `says`. */
export const AGENT_STEPS = {
  asked: uuid(1),
  agent: uuid(2),
  shelf: uuid(3),
  looks: uuid(4),
  measures: uuid(5),
  says: uuid(6),
  answered: uuid(7),
};
const S = AGENT_STEPS;
const MARKER = 'sample-0';
/** The first line of what the agent is told. */
export const TASK = `${MARKER} 0`;

/** What stands in the log, message by message, before it is numbered. */
export function agentSources(): MessageSource[] {
  const begun = { id: `resp_${hex(uuid(0))}`, object: 'response', status: 'in_progress', model: 'demo', output: [] };
  const fco = { type: 'function_call_output', id: `fco_${hex(S.agent)}0000`, call_id: 'call_1' };
  const ran = { ...fco, status: 'completed', output: 'It is 21.' };
  const output = [calling.item, ran, mcpItem(S.shelf), message('msg_4', 'Warm.', 3).item];
  const opening = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
  ];
  const told = [
    { type: 'response.output_item.added', output_index: 1, item: { ...fco, status: 'in_progress', output: '' } },
    ...mcpOpening(S.shelf, 2),
  ];
  const done = [{ type: 'response.output_item.done', output_index: 1, item: ran }];
  const terminal = [{ type: 'response.completed', response: { ...begun, status: 'completed', output } }];
  return [
    { events: opening, cursor: 1 },
    { events: calling.events, cursor: 1, step: S.asked },
    { events: told, cursor: 2 },
    { events: inside(S.looks, message('msg_1', 'I look.', 0).events), cursor: 2, step: S.looks },
    { events: mcpClosing(S.shelf, 2), cursor: 3 },
    { events: inside(S.measures, mcpOpening(S.measures, 1)), cursor: 4 },
    { events: inside(S.measures, mcpClosing(S.measures, 1)), cursor: 5 },
    { events: inside(S.says, message('msg_2', 'It is 21.', 2).events), cursor: 5, step: S.says },
    { events: done, cursor: 6 },
    { events: message('msg_4', 'Warm.', 3).events, cursor: 6, step: S.answered },
    { events: terminal, cursor: 7, ended: 'completed' },
  ];
}

/** The run; `sources` may have been changed. */
export function agentParts(sources: readonly MessageSource[]): Parts {
  const run = sampleRun(1);
  const [response] = run.record.responses;
  const evidence = run.evidence.responses.get(response?.id ?? '');
  if (!response || !evidence?.row) throw new Error('the sample run is empty');
  const at = SAMPLE_START;
  const { mark, task } = { mark: `${MARKER}\nx`, task: `${TASK}\nx` };
  evidence.log = logOf(at, sources);
  const frames = evidence.log.flatMap((stored) => {
    const texts = (stored.text ?? '').split('\n\n').filter(Boolean);
    return texts.map((text) => ({ at: stored.at + 1, text }));
  });
  const view = { attaches: [{ at, gateway: 0, after: -1 }], frames, done: true, errors: [], toTheEnd: true };
  response.request = { ...response.request, include: ['tailrace.progress'] };
  response.clients = [view];
  const end = sources.at(-1)?.events.at(-1);
  response.polls = [{ at: at + 10_000, status: 200, body: structuredClone(end?.response) }];
  evidence.row.entries = 7;
  const own = (id: string, sequence: number, addedEntry: number, endedEntry: number, from: number, to: number) => {
    const kind = id === S.agent || id === S.shelf || id === S.measures ? 'tool_call' : 'model_call';
    return stepOf({ id, kind, sequence, addedEntry, endedEntry }, at + from, at + to);
  };
  evidence.steps = [
    own(S.asked, 0, 1, 2, 10, 30),
    { ...own(S.agent, 1, 2, 6, 30, 150), prevStepId: S.asked, task: TASK },
    { ...own(S.shelf, 2, 2, 3, 30, 60), prevStepId: S.agent },
    { ...own(S.looks, 3, 2, 4, 30, 80), parentStepId: S.agent },
    { ...own(S.measures, 4, 4, 5, 80, 110), parentStepId: S.agent, prevStepId: S.looks },
    { ...own(S.says, 5, 5, 6, 110, 150), parentStepId: S.agent, prevStepId: S.measures },
    { ...own(S.answered, 6, 6, 7, 150, 195), prevStepId: S.shelf },
  ];
  const made = [
    { step: S.asked, call: { kind: 'model', messages_count: 1, text: mark }, from: 15, to: 25 },
    { step: S.shelf, call: { kind: 'tool', name: 'echo', idempotency_key: S.shelf }, from: 35, to: 55 },
    { step: S.looks, call: { kind: 'model', messages_count: 2, text: task }, from: 36, to: 70 },
    { step: S.measures, call: { kind: 'tool', name: 'measure', idempotency_key: S.measures }, from: 85, to: 100 },
    { step: S.says, call: { kind: 'model', messages_count: 4, text: task }, from: 115, to: 140 },
    { step: S.answered, call: { kind: 'model', messages_count: 4, text: mark }, from: 155, to: 190 },
  ] as const;
  run.record.calls = made.map(({ call, from, to }, index) => callOf(call, uuid(11 + index), at + from, at + to));
  evidence.analytics = made.map(({ step, call }, index) => {
    return { kind: call.kind, id: uuid(11 + index), stepId: step, attempt: 1, call: 1, status: 200 };
  });
  return { run, response, evidence };
}

/** Events of a step of the agent, as clients are shown them. */
export function inside(step: string, events: readonly SampleEvent[], depth = 1): SampleEvent[] {
  const place = { step_id: `step_${hex(step)}`, parent_step_id: `step_${hex(S.agent)}`, agent: 'researcher', depth };
  return events.map((event) => ({ type: 'tailrace.progress', ...place, event }));
}

/** The frame of an event of the sample. */
export const frameOf = (number: number, { type, ...fields }: SampleEvent) => sampleFrame(number, type, fields);

function mcpItem(step: string) {
  const base = { type: 'mcp_call', id: `mcp_${hex(step)}0000`, server_label: 'shelf', name: 'echo' };
  return { ...base, arguments: '{"a":1}', output: '21', error: null, approval_request_id: null, status: 'completed' };
}

/** The beginning of a call of the MCP server. */
export function mcpOpening(step: string, output_index: number): SampleEvent[] {
  const item = mcpItem(step);
  const at = { item_id: item.id, output_index };
  const added = { ...item, arguments: '', output: null, status: 'in_progress' };
  return [
    { type: 'response.output_item.added', output_index, item: added },
    { type: 'response.mcp_call.in_progress', ...at },
    { type: 'response.mcp_call_arguments.delta', ...at, delta: item.arguments },
    { type: 'response.mcp_call_arguments.done', ...at, arguments: item.arguments },
  ];
}

/** Its end. */
export function mcpClosing(step: string, output_index: number): SampleEvent[] {
  const item = mcpItem(step);
  return [
    { type: 'response.mcp_call.completed', item_id: item.id, output_index },
    { type: 'response.output_item.done', output_index, item },
  ];
}

function message(id: string, text: string, output_index: number) {
  const part = { type: 'output_text', text, annotations: [], logprobs: [] };
  const base = { type: 'message', id, role: 'assistant' };
  const item = { ...base, status: 'completed', content: [part] };
  const at = { item_id: id, output_index, content_index: 0 };
  const events: SampleEvent[] = [
    { type: 'response.output_item.added', output_index, item: { ...base, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
    { type: 'response.output_text.delta', ...at, delta: text.slice(0, 3), logprobs: [] },
    { type: 'response.output_text.delta', ...at, delta: text.slice(3), logprobs: [] },
    { type: 'response.output_text.done', ...at, text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part },
    { type: 'response.output_item.done', output_index, item },
  ];
  return { item, events };
}

const calling = functionCall();

function functionCall() {
  const call = { type: 'function_call', id: 'fc_0', call_id: 'call_1', name: 'researcher', arguments: '{}' };
  const item = { ...call, status: 'completed' };
  const events: SampleEvent[] = [
    { type: 'response.output_item.added', output_index: 0, item: { ...call, status: 'in_progress', arguments: '' } },
    { type: 'response.function_call_arguments.delta', item_id: 'fc_0', output_index: 0, delta: '{}' },
    { type: 'response.function_call_arguments.done', item_id: 'fc_0', output_index: 0, arguments: '{}' },
    { type: 'response.output_item.done', output_index: 0, item },
  ];
  return { item, events };
}

/** A run in which nothing went wrong, made by hand: each response asks a model, a tool, and the model again. */
import type { Call, ClientView, ResponseRecord, RunRecord } from '../record/index.ts';
import type { AnalyticsRow, Evidence, LogMessage, ResponseEvidence, StepRow } from './evidence.ts';

/** What a run left, on both sides. */
export interface SampleRun {
  record: RunRecord;
  evidence: Evidence;
}

/** When the first response was asked for; each next one comes a second later. Milliseconds since the epoch. */
export const SAMPLE_START = Date.UTC(2030, 0, 1);
const TERMINAL_AT = 200;

/** A sound run of `count` responses, without faults. */
export function sampleRun(count = 3): SampleRun {
  const all = Array.from({ length: count }, (_, index) => sampleResponse(index));
  return {
    record: {
      seed: 1,
      responses: all.map(({ record }) => record),
      faults: [],
      calls: all.flatMap(({ calls }) => calls),
      memory: [{ pid: 7, role: 'gateway', at: SAMPLE_START, rss: 100 * 1024 * 1024, connections: 6 }],
    },
    evidence: {
      gatheredAt: SAMPLE_START + 60_000,
      responses: new Map(all.map(({ record, evidence }) => [record.id ?? '', evidence])),
    },
  };
}

/** One SSE frame, without the empty line that ends it. */
export function sampleFrame(number: number, type: string, fields: Record<string, unknown>): string {
  return `event: ${type}\nid: ${number}\ndata: ${JSON.stringify({ type, sequence_number: number, ...fields })}`;
}

function sampleResponse(index: number): { record: ResponseRecord; evidence: ResponseEvidence; calls: Call[] } {
  const at = SAMPLE_START + index * 1_000;
  const uuid = (last: number) => `00000000-0000-7000-8000-${String(index * 100 + last).padStart(12, '0')}`;
  const id = `resp_${uuid(0).replaceAll('-', '')}`;
  const marker = `sample-${index}`;
  const [asked, ran, answered] = [uuid(1), uuid(2), uuid(3)];
  const { opening, call, running, ran: toolDone, answer, terminal, response } = sampleEvents(id, index);
  const log = logOf(at, [
    { events: opening, cursor: 1 },
    { events: call, cursor: 1, step: asked },
    { events: running, cursor: 2 },
    { events: toolDone, cursor: 3 },
    { events: answer, cursor: 3, step: answered },
    { events: terminal, cursor: 4, ended: 'completed' },
  ]);
  const frames = log.flatMap((message) =>
    (message.text ?? '')
      .split('\n\n')
      .filter(Boolean)
      .map((text) => ({ at: message.at + 1, text })),
  );
  const whole: ClientView = {
    attaches: [{ at, gateway: 0, after: -1 }],
    frames,
    done: true,
    errors: [],
    toTheEnd: true,
  };
  const attached: ClientView = {
    attaches: [
      { at: at + 20, gateway: 1, after: 1 },
      { at: at + 300, gateway: 0, after: 4 },
    ],
    frames: frames.slice(2).map(({ text }, number) => ({ at: at + (number < 3 ? 100 : 301), text })),
    done: true,
    errors: ['terminated'],
    toTheEnd: true,
  };
  const record: ResponseRecord = {
    index,
    id,
    idempotencyKey: `key-${index}`,
    shape: 'tool loop',
    owner: 'alice',
    marker,
    request: { model: 'demo', input: `${marker}\n!call get_time {}`, stream: true },
    creates: [{ at, gateway: 0, marker, status: 200, id, retryAfter: null }],
    acceptedAt: at + 10,
    clients: [structuredClone(whole), attached],
    polls: [{ at: at + 10_000, status: 200, body: structuredClone(response) }],
    foreign: [{ at: at + 60, method: 'GET', path: `/v1/responses/${id}`, status: 404 }],
    endedAt: at + TERMINAL_AT + 2,
  };
  const steps = [
    stepOf({ id: asked, kind: 'model_call', sequence: 0, addedEntry: 1 }, at + 10, at + 55),
    stepOf({ id: ran, kind: 'tool_call', sequence: 1, addedEntry: 2, prevStepId: asked }, at + 55, at + 95),
    stepOf({ id: answered, kind: 'model_call', sequence: 2, addedEntry: 3, prevStepId: ran }, at + 95, at + 195),
  ];
  const row = {
    status: 'completed',
    entries: 4,
    createdAt: at + 5,
    endedAt: at + 195,
    request: JSON.stringify(record.request),
  };
  const calls = [
    callOf({ kind: 'model', messages_count: 1, text: `${marker}\n!call get_time {}` }, uuid(11), at + 30, at + 50),
    callOf({ kind: 'tool', name: 'get_time', idempotency_key: ran }, uuid(12), at + 70, at + 90),
    callOf({ kind: 'model', messages_count: 3, text: `${marker}\n!call get_time {}` }, uuid(13), at + 110, at + 190),
  ];
  const analytics = [asked, ran, answered].map((stepId, index): AnalyticsRow => {
    return { kind: stepId === ran ? 'tool' : 'model', id: uuid(11 + index), stepId, attempt: 1, call: 1, status: 200 };
  });
  return { record, evidence: { row, steps, analytics, log }, calls };
}

/** An event without its number. */
export type SampleEvent = { type: string } & Record<string, unknown>;

function sampleEvents(id: string, index: number) {
  const call = {
    type: 'function_call',
    id: `fc_${index}`,
    call_id: `call_${index}`,
    name: 'get_time',
    arguments: '{}',
  };
  const output = { type: 'function_call_output', id: `fco_${index}`, call_id: `call_${index}`, output: 'noon' };
  const message = { type: 'message', id: `msg_${index}`, role: 'assistant' };
  const part = { type: 'output_text', text: 'It is noon.', annotations: [], logprobs: [] };
  const items = [
    { ...call, status: 'completed' },
    { ...output, status: 'completed' },
    { ...message, status: 'completed', content: [part] },
  ];
  const begun = { id, object: 'response', status: 'in_progress', model: 'demo', output: [] };
  const response = { ...begun, status: 'completed', output: items };
  const atPart = { item_id: message.id, output_index: 2, content_index: 0 };
  const opening: SampleEvent[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
  ];
  const calling: SampleEvent[] = [
    { type: 'response.output_item.added', output_index: 0, item: { ...call, status: 'in_progress', arguments: '' } },
    { type: 'response.function_call_arguments.delta', item_id: call.id, output_index: 0, delta: '{}' },
    { type: 'response.function_call_arguments.done', item_id: call.id, output_index: 0, arguments: '{}' },
    { type: 'response.output_item.done', output_index: 0, item: items[0] },
  ];
  const running: SampleEvent[] = [
    { type: 'response.output_item.added', output_index: 1, item: { ...output, status: 'in_progress', output: '' } },
  ];
  const ran: SampleEvent[] = [{ type: 'response.output_item.done', output_index: 1, item: items[1] }];
  const answer: SampleEvent[] = [
    { type: 'response.output_item.added', output_index: 2, item: { ...message, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...atPart, part: { ...part, text: '' } },
    { type: 'response.output_text.delta', ...atPart, delta: 'It is ', logprobs: [] },
    { type: 'response.output_text.delta', ...atPart, delta: 'noon.', logprobs: [] },
    { type: 'response.output_text.done', ...atPart, text: part.text, logprobs: [] },
    { type: 'response.content_part.done', ...atPart, part },
    { type: 'response.output_item.done', output_index: 2, item: items[2] },
  ];
  const terminal: SampleEvent[] = [{ type: 'response.completed', response }];
  return { opening, call: calling, running, ran, answer, terminal, response };
}

/** What a message of a log is made of. */
export interface MessageSource {
  events: SampleEvent[];
  cursor: number;
  step?: string;
  ended?: string;
}

/** A log of these messages, their events numbered from 0 on. */
export function logOf(at: number, sources: readonly MessageSource[]): LogMessage[] {
  let next = 0;
  return sources.map(({ events, cursor, step, ended }, index) => {
    const first = next;
    next += events.length;
    const frames = events.map(({ type, ...fields }, place) => sampleFrame(first + place, type, fields));
    return {
      streamSeq: at - SAMPLE_START + index + 1,
      at: at + Math.round(((index + 1) * TERMINAL_AT) / sources.length),
      first,
      last: next - 1,
      cursor,
      writer: step ?? `writer ${index}`,
      step: step ?? null,
      attempt: step === undefined ? null : 1,
      sealed: step !== undefined,
      ended: ended ?? null,
      text: frames.map((frame) => `${frame}\n\n`).join(''),
    };
  });
}

/** A step that went well. */
export function stepOf(
  place: Pick<StepRow, 'id' | 'kind' | 'sequence' | 'addedEntry'> & Partial<StepRow>,
  createdAt: number,
  completedAt: number,
): StepRow {
  return {
    parentStepId: null,
    prevStepId: null,
    task: null,
    state: 'completed',
    attempt: 1,
    endedEntry: place.addedEntry + 1,
    createdAt,
    startedAt: null,
    completedAt,
    failedAt: null,
    canceledAt: null,
    committedAt: completedAt + 2,
    ...place,
  };
}

/** A call that went well. */
export function callOf(call: Partial<Call> & Pick<Call, 'kind'>, id: string, at: number, closed_at: number): Call {
  const unsaid = { idempotency_key: null, messages_count: null, text: null };
  return { name: 'chat.completions', at, closed_at, client_request_id: id, ended: 'complete', ...unsaid, ...call };
}

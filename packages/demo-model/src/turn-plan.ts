import type { ChatRequest } from './chat-request.ts';
import type { Fault, Segment, Turn, Usage } from './script.ts';

/** A tool call, or a fragment of one, inside a delta. */
export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: 'function';
  function: { name?: string; arguments: string };
}

/** What one content chunk adds to the message. */
export type Delta =
  | { content: string }
  | { reasoning_content: string }
  | { refusal: string }
  | { tool_calls: ToolCallDelta[] };

/**
 * One step of a turn: a content chunk due `delayMs` after the one before, a fault that happens here unless it is spent
 * (the steps after it are the turn without it), or the end.
 */
export type Step =
  | { kind: 'chunk'; delayMs: number; delta: Delta }
  | { kind: 'fault'; fault: Fault }
  | { kind: 'finish'; reason: string; usage: Usage | null };

/** Which request this is: `number` counts the server's requests, `nonce` (hex) tells servers apart. */
export interface RequestIdentity {
  nonce: string;
  number: number;
}

/**
 * The steps of one turn. HTTP errors come first, other faults after the chunk they name, or after the last chunk of a
 * turn that has fewer.
 */
export function* planTurn(turn: Turn, request: ChatRequest, identity: RequestIdentity): Generator<Step, void, void> {
  for (const fault of turn.faults) if (fault.kind === 'error') yield { kind: 'fault', fault };
  const later = turn.faults.filter((fault) => fault.kind !== 'error').sort((a, b) => a.after - b.after);
  let nextFault = 0;
  let chunks = 0;
  let reasoning = 0;
  for (const step of contentOf(turn, identity)) {
    for (let fault = later[nextFault]; fault !== undefined && fault.after <= chunks; fault = later[nextFault]) {
      nextFault += 1;
      yield { kind: 'fault', fault };
    }
    chunks += 1;
    if ('reasoning_content' in step.delta) reasoning += 1;
    yield step;
  }
  for (const fault of later.slice(nextFault)) yield { kind: 'fault', fault };
  const reason = turn.finish ?? (turn.segments.some((segment) => segment.kind === 'call') ? 'tool_calls' : 'stop');
  const counted = { prompt: request.promptTokens, completion: chunks, cached: 0, reasoning };
  yield { kind: 'finish', reason, usage: turn.usage === 'default' ? counted : turn.usage };
}

type ChunkStep = Extract<Step, { kind: 'chunk' }>;

function* contentOf(turn: Turn, identity: RequestIdentity): Generator<ChunkStep, void, void> {
  let callIndex = 0;
  for (const segment of turn.segments) {
    if (segment.kind !== 'call') {
      yield* wordsOf(segment, identity.number);
    } else if (!turn.wholeCalls) {
      yield* callInFragments(segment, callIndex, identity);
      callIndex += 1;
    } else if (callIndex === 0) {
      const calls = turn.segments.filter((other) => other.kind === 'call');
      callIndex = calls.length;
      const deltas = calls.map((call, index) => callStart(call, index, identity, call.arguments));
      yield { kind: 'chunk', delayMs: 0, delta: { tool_calls: deltas } };
    }
  }
}

function* wordsOf(
  segment: Exclude<Segment, { kind: 'call' }>,
  requestNumber: number,
): Generator<ChunkStep, void, void> {
  const { delayMs } = segment;
  if ('text' in segment) {
    for (const word of segment.text.match(/\S+\s*/g) ?? []) {
      yield { kind: 'chunk', delayMs, delta: segment.kind === 'say' ? { content: word } : { refusal: word } };
    }
    return;
  }
  for (let i = 1; i <= segment.count; i += 1) {
    let delta: Delta;
    if (segment.kind === 'reasoning') delta = { reasoning_content: `r${i} ` };
    else delta = { content: segment.kind === 'text' ? `w${i} ` : `v${requestNumber}.${i} ` };
    yield { kind: 'chunk', delayMs, delta };
  }
}

type CallSegment = Extract<Segment, { kind: 'call' }>;

function* callInFragments(
  call: CallSegment,
  index: number,
  identity: RequestIdentity,
): Generator<ChunkStep, void, void> {
  yield { kind: 'chunk', delayMs: 0, delta: { tool_calls: [callStart(call, index, identity, '')] } };
  for (const fragment of fragments(call.arguments)) {
    yield { kind: 'chunk', delayMs: 0, delta: { tool_calls: [{ index, function: { arguments: fragment } }] } };
  }
}

function callStart(call: CallSegment, index: number, identity: RequestIdentity, json: string): ToolCallDelta {
  const id = `call_${identity.nonce}${hex(identity.number, 8)}${hex(index, 4)}`;
  return { index, id, type: 'function', function: { name: call.tool, arguments: json } };
}

/** Two to eight pieces, never cut inside a surrogate pair. */
function fragments(text: string): string[] {
  const size = Math.ceil(text.length / Math.min(8, Math.max(2, Math.ceil(text.length / 8))));
  const pieces: string[] = [];
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + size);
    if (isHighSurrogate(text.charCodeAt(end - 1)) && end < text.length) end += 1;
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

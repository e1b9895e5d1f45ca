import type { ModelRequest } from './model-request.ts';
import { identityHex, type RequestIdentity } from './request-identity.ts';
import type { Fault, Segment, Turn, Usage } from './script.ts';

/** A tool call, or a fragment of one, inside a delta. */
export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: 'function';
  function: { name?: string; arguments: string };
}

/** A piece of a summary of the reasoning. */
export interface SummaryDetail {
  type: 'reasoning.summary';
  summary: string;
}

/** A source of the text from `start_index` to before `end_index`, in UTF-16 code units of the turn's text. */
export interface UrlCitation {
  type: 'url_citation';
  url_citation: { start_index: number; end_index: number; url: string; title: string };
}

/** What one content chunk adds to the message. */
export type Delta =
  | { content: string }
  | { reasoning_content: string }
  | { reasoning_details: SummaryDetail[] }
  | { annotations: UrlCitation[] }
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

/**
 * The steps of one turn. HTTP errors come first, other faults after the chunk they name, or after the last chunk of a
 * turn that has fewer. Content beyond the request's limit of tokens is left out.
 */
export function* planTurn(turn: Turn, request: ModelRequest, identity: RequestIdentity): Generator<Step, void, void> {
  for (const fault of turn.faults) if (fault.kind === 'error') yield { kind: 'fault', fault };
  const later = turn.faults.filter((fault) => fault.kind !== 'error').sort((a, b) => a.after - b.after);
  let nextFault = 0;
  let chunks = 0;
  let tokens = 0;
  let reasoning = 0;
  let limited = false;
  for (const step of contentOf(turn, identity)) {
    for (let fault = later[nextFault]; fault !== undefined && fault.after <= chunks; fault = later[nextFault]) {
      nextFault += 1;
      yield { kind: 'fault', fault };
    }
    if (!('annotations' in step.delta)) {
      limited = tokens === request.maxTokens;
      if (limited) break;
      tokens += 1;
    }
    chunks += 1;
    if ('reasoning_content' in step.delta || 'reasoning_details' in step.delta) reasoning += 1;
    yield step;
  }
  for (const fault of later.slice(nextFault)) yield { kind: 'fault', fault };
  const ended = turn.segments.some((segment) => segment.kind === 'call') ? 'tool_calls' : 'stop';
  const reason = turn.finish ?? (limited ? 'length' : ended);
  const counted = { prompt: request.promptTokens, completion: tokens, cached: 0, reasoning };
  yield { kind: 'finish', reason, usage: turn.usage === 'default' ? counted : turn.usage };
}

type ChunkStep = Extract<Step, { kind: 'chunk' }>;

function* contentOf(turn: Turn, identity: RequestIdentity): Generator<ChunkStep, void, void> {
  let callIndex = 0;
  let said = 0;
  for (const segment of turn.segments) {
    if (segment.kind === 'cite') {
      const { url, title } = segment;
      const url_citation = { start_index: 0, end_index: said, url, title };
      yield { kind: 'chunk', delayMs: 0, delta: { annotations: [{ type: 'url_citation', url_citation }] } };
    } else if (segment.kind !== 'call') {
      for (const step of wordsOf(segment, identity.number)) {
        if ('content' in step.delta) said += step.delta.content.length;
        yield step;
      }
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
  segment: Exclude<Segment, { kind: 'call' | 'cite' }>,
  requestNumber: number,
): Generator<ChunkStep, void, void> {
  const { delayMs } = segment;
  if (segment.kind === 'json') {
    yield { kind: 'chunk', delayMs, delta: { content: segment.text } };
    return;
  }
  if ('text' in segment) {
    for (const word of segment.text.match(/\S+\s*/g) ?? []) {
      yield { kind: 'chunk', delayMs, delta: segment.kind === 'say' ? { content: word } : { refusal: word } };
    }
    return;
  }
  for (let i = 1; i <= segment.count; i += 1) {
    yield { kind: 'chunk', delayMs, delta: numbered(segment.kind, i, requestNumber) };
  }
}

function numbered(kind: 'reasoning' | 'summary' | 'text' | 'vary', i: number, requestNumber: number): Delta {
  switch (kind) {
    case 'reasoning':
      return { reasoning_content: `r${i} ` };
    case 'summary':
      return { reasoning_details: [{ type: 'reasoning.summary', summary: `s${i} ` }] };
    case 'text':
      return { content: `w${i} ` };
    case 'vary':
      return { content: `v${requestNumber}.${i} ` };
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
  const id = `call_${identityHex(identity, index)}`;
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

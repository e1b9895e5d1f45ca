/** `POST /v1/embeddings`: the same text always has the same vector. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { beginningOf, type Call, type CallLog } from './call-log.ts';
import { keptParameters } from './call-parameters.ts';
import type { FaultCounter } from './fault-counter.ts';
import { sendError, sendJson } from './json-response.ts';
import { isRecord } from './record.ts';
import { parseScript } from './script.ts';

const DIMENSIONS = 8;
const MAX_DIMENSIONS = 4_096;
const CHARS_PER_TOKEN = 4;

/** Answers a request for a parsed body, and notes in the call what it was about. Directives `!error` in a text are obeyed. */
export function answerEmbeddings(
  body: unknown,
  response: ServerResponse,
  call: Call,
  log: CallLog,
  faults: FaultCounter,
): void {
  call.parameters = keptParameters(body);
  const { model, input, encoding_format: format, dimensions } = isRecord(body) ? body : {};
  const texts = textsOf(input);
  if (typeof model !== 'string' || texts === null || !isCount(dimensions ?? DIMENSIONS)) {
    log.end(call, 'error');
    sendError(response, 400, 'A request has a model, and texts or tokens as its input.', 'input');
    return;
  }
  const text = texts.join('\n');
  call.model = beginningOf(model);
  call.text = beginningOf(text);
  const script = parseScript(text);
  const fault = script.ok ? script.turns?.[0]?.faults.find(({ kind }) => kind === 'error') : undefined;
  if (fault?.kind === 'error' && faults.reach(text, `embeddings:${fault.line}`, fault.times)) {
    log.end(call, 'error');
    const message = fault.message ?? `The demo model was asked to answer with status ${fault.status}.`;
    if (fault.retryAfter !== null) response.setHeader('retry-after', fault.retryAfter);
    sendError(response, fault.status, message);
    return;
  }
  const data = texts.map((each, index) => {
    const vector = vectorOf(each, Number(dimensions ?? DIMENSIONS));
    return { object: 'embedding', index, embedding: format === 'base64' ? base64Of(vector) : [...vector] };
  });
  const count = texts.reduce((sum, each) => sum + Math.ceil(each.length / CHARS_PER_TOKEN), 0);
  sendJson(response, 200, { object: 'list', data, model, usage: { prompt_tokens: count, total_tokens: count } });
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_DIMENSIONS;
}

/** The texts of an input; tokens stand for a text. Null for what is none. */
function textsOf(input: unknown): string[] | null {
  const list: unknown[] = Array.isArray(input) && !areTokens(input) ? input : [input];
  if (list.length === 0) return null;
  const texts = list.map((each) => (areTokens(each) ? each.join(' ') : each));
  return texts.every((each) => typeof each === 'string' && each !== '') ? (texts as string[]) : null;
}

function areTokens(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'number');
}

/** A vector of length one. */
function vectorOf(text: string, dimensions: number): Float32Array {
  const seed = createHash('sha256').update(text).digest();
  const values = Float32Array.from({ length: dimensions }, (_, index) => {
    const digest = createHash('sha256').update(`${index}`).update(seed).digest();
    return digest.readInt32LE(0) / 2 ** 31;
  });
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

function base64Of({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

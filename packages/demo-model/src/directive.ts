import type { Fault, Segment, Usage } from './script.ts';

/** One parsed line of a script. */
export type Directive =
  | { kind: 'turn' }
  | { kind: 'segment'; segment: Segment }
  | { kind: 'fault'; fault: Fault }
  | { kind: 'whole-calls' }
  | { kind: 'finish'; reason: string }
  | { kind: 'usage'; usage: Usage | null }
  | { kind: 'tier'; tier: string };

/** A line that is no directive; the message says what was expected. */
export class DirectiveError extends Error {
  override name = 'DirectiveError';
}

const maxChunks = 1_000_000;
const maxDelayMs = 600_000;

/** Reads one trimmed line that starts with `!`; `line` is its number. Throws DirectiveError. */
export function parseDirective(source: string, line: number): Directive {
  const [, name = '', rest = ''] = /^!(\S*)\s*(.*)$/s.exec(source) ?? [];
  switch (name) {
    case 'turn':
      nothing(rest);
      return { kind: 'turn' };
    case 'whole-calls':
      nothing(rest);
      return { kind: 'whole-calls' };
    case 'no-usage':
      nothing(rest);
      return { kind: 'usage', usage: null };
    case 'reasoning':
    case 'summary':
    case 'text':
    case 'vary': {
      const [count, delayMs = 0] = integers(rest, 1, 2, 'a number of chunks and, if wanted, milliseconds');
      return {
        kind: 'segment',
        segment: { kind: name, count: upTo(maxChunks, count), delayMs: upTo(maxDelayMs, delayMs) },
      };
    }
    case 'say':
    case 'refuse':
    case 'json':
      if (rest === '') throw new DirectiveError('expected a text');
      return { kind: 'segment', segment: { kind: name, text: rest, delayMs: 0 } };
    case 'cite':
      return { kind: 'segment', segment: citation(rest) };
    case 'call':
    case 'raw-call':
      return { kind: 'segment', segment: call(rest, name === 'raw-call') };
    case 'finish':
      if (!/^[\w-]+$/.test(rest)) throw new DirectiveError('expected one finish reason');
      return { kind: 'finish', reason: rest };
    case 'tier':
      if (!/^[\w-]+$/.test(rest)) throw new DirectiveError('expected the name of one tier');
      return { kind: 'tier', tier: rest };
    case 'usage': {
      const [prompt = 0, completion = 0, cached = 0, reasoning = 0] = integers(rest, 2, 4, 'two to four token counts');
      return { kind: 'usage', usage: { prompt, completion, cached, reasoning } };
    }
    case 'error':
      return { kind: 'fault', fault: httpError(rest, line) };
    case 'cut':
    case 'hang':
    case 'stream-error': {
      const { options, remainder } = readOptions(rest, ['times'], true);
      const [after] = integers(remainder, 1, 1, 'a number of chunks');
      return {
        kind: 'fault',
        fault: { kind: name, after: upTo(maxChunks, after), times: times(options.get('times')), line },
      };
    }
    default:
      throw new DirectiveError('unknown directive');
  }
}

function citation(rest: string): Segment {
  const [, url = '', title = ''] = /^(\S*)\s*(.*)$/s.exec(rest) ?? [];
  if (!URL.canParse(url) || title === '') throw new DirectiveError('expected a URL and a title');
  return { kind: 'cite', url, title };
}

function call(rest: string, raw: boolean): Segment {
  const [, tool = '', text = ''] = /^(\S*)\s*(.*)$/s.exec(rest) ?? [];
  if (!/^[\w.-]+$/.test(tool)) throw new DirectiveError('expected the name of a tool');
  if (raw) return { kind: 'call', tool, arguments: text };
  const json = text === '' ? '{}' : text;
  if (!isJsonObject(json)) throw new DirectiveError('expected the arguments as a JSON object');
  return { kind: 'call', tool, arguments: json };
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function httpError(rest: string, line: number): Fault {
  const [, statusText = '', tail = ''] = /^(\S*)\s*(.*)$/s.exec(rest) ?? [];
  const status = Number(statusText);
  if (!/^\d{3}$/.test(statusText) || status < 400 || status > 599) {
    throw new DirectiveError('expected an HTTP status from 400 to 599');
  }
  const { options, remainder } = readOptions(tail, ['times', 'retry-after'], false);
  const retryAfter = options.get('retry-after') ?? null;
  if (retryAfter !== null && !/^\d+(\.\d+)?$/.test(retryAfter)) {
    throw new DirectiveError('expected retry-after in seconds');
  }
  const message = remainder === '' ? null : remainder;
  return { kind: 'error', status, retryAfter, message, times: times(options.get('times')), line };
}

/** Takes `key=value` words of the given keys off the text: anywhere, or only those in front of a free text. */
function readOptions(
  text: string,
  keys: readonly string[],
  anywhere: boolean,
): { options: Map<string, string>; remainder: string } {
  const options = new Map<string, string>();
  const words = text.split(/\s+/).filter((word) => word !== '');
  const kept: string[] = [];
  for (const word of words) {
    const [key = '', value] = word.split('=', 2);
    const isOption = value !== undefined && keys.includes(key) && (anywhere || kept.length === 0);
    if (isOption) options.set(key, value);
    else kept.push(word);
  }
  return { options, remainder: kept.join(' ') };
}

function times(value: string | undefined): number | null {
  if (value === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new DirectiveError('expected times to be 1 or more');
  return Number(value);
}

function integers(text: string, min: number, max: number, expected: string): number[] {
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length < min || words.length > max || !words.every((word) => /^\d{1,9}$/.test(word))) {
    throw new DirectiveError(`expected ${expected}`);
  }
  return words.map(Number);
}

function upTo(limit: number, value: number | undefined): number {
  if (value === undefined || value > limit) throw new DirectiveError(`expected at most ${limit}`);
  return value;
}

function nothing(rest: string): void {
  if (rest !== '') throw new DirectiveError('expected nothing after the name');
}

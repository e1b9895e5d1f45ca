/** Everything that the clients of one stack are sent passes here. */
import type { Specification } from './specification.ts';
import { StreamCheck } from './stream-check.ts';
import { Violations } from './violations.ts';
import { type Report, WireValues } from './wire-values.ts';

/** A request, as far as it says what its answer must be. */
export interface CheckedRequest {
  method: string;
  url: URL;
  /** A header by its lower-case name. */
  header: (name: string) => string | null;
}

/** Hears the body of an answer as it passes. */
export interface Tap {
  /** A stream passes piece by piece; everything else is judged whole. */
  readonly streams: boolean;
  chunk(bytes: Uint8Array): void;
  /** The body is whole; not called for one that was cut or that its client has left. */
  end(): void;
}

/** Judges whatever passes, and remembers what was wrong. */
export class WireChecks {
  readonly violations = new Violations();
  readonly #values: WireValues;
  #logsMayBeLost = false;

  constructor(specification: Specification | undefined) {
    this.#values = new WireValues(specification);
  }

  /** From now on numbers of events may jump forward: a test takes logs away. */
  allowLostLogs(): void {
    this.#logsMayBeLost = true;
  }

  /** What hears the body of an answer; undefined for what is not part of the API. */
  tap(request: CheckedRequest, status: number, contentType: string | null): Tap | undefined {
    const { method, url } = request;
    if (!url.pathname.startsWith('/v1/') || method === 'HEAD' || method === 'OPTIONS') return undefined;
    const report: Report = (by, what) => this.violations.add(by, `${method} ${url.pathname} → ${status}`, what);
    const type = contentType?.split(';')[0];
    if (type === 'text/event-stream' && status === 200) {
      const check = new StreamCheck(this.#values, report, {
        after: afterOf(request),
        openaiNames: asksForOpenaiNames(request),
        mayJump: () => this.#logsMayBeLost,
      });
      return { streams: true, chunk: (bytes) => check.chunk(bytes), end: () => check.end() };
    }
    if (type !== 'application/json') report('stream', `the body is ${type ?? 'of no type'}`);
    return this.#wholeBody(request, status, report);
  }

  /** Judges a message that a client got over a WebSocket, as text. */
  socketMessage(text: string): void {
    const report: Report = (by, what) => this.violations.add(by, 'WebSocket', what);
    const value = parsed(text);
    if (value === undefined) report('stream', 'a message is not JSON');
    else this.#values.socketMessage(value, report);
  }

  #wholeBody({ method, url }: CheckedRequest, status: number, report: Report): Tap {
    const decoder = new TextDecoder();
    const texts: string[] = [];
    return {
      streams: false,
      chunk: (bytes) => texts.push(decoder.decode(bytes, { stream: true })),
      end: () => {
        const value = parsed(texts.join('') + decoder.decode());
        if (value === undefined) report('stream', 'the body is not JSON');
        else this.#values.answer(method, url.pathname, status, value, report);
      },
    };
  }
}

/** The number of the last event that a client has seen, as its request says. */
function afterOf({ method, url, header }: CheckedRequest): number {
  if (method !== 'GET') return -1;
  const seen = header('last-event-id') || url.searchParams.get('starting_after') || '-1';
  return Number(seen);
}

function asksForOpenaiNames({ header }: CheckedRequest): boolean {
  return header('x-stainless-helper-method') === 'stream' || header('tailrace-event-names') === 'openai';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

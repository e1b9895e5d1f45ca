/** Everything that the clients of one stack send and are sent passes here. */
import { parsed } from './json-text.ts';
import { madeKey, secretsOfRequest } from './secret-places.ts';
import { type Scanner, Secrets } from './secrets.ts';
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

/** An answer, before its body. */
export interface CheckedAnswer {
  status: number;
  headers: Headers;
}

/** Hears the body of an answer as it passes. */
export interface Tap {
  /** A stream passes piece by piece; everything else is judged whole. */
  readonly streams: boolean;
  chunk(bytes: Uint8Array): void;
  /** The body is whole; not called for one that was cut or that its client has left. */
  end(): void;
}

const PASSED_ON = new Set(['/v1/chat/completions', '/v1/embeddings']);

/** Judges whatever passes, and remembers what was wrong. */
export class WireChecks {
  readonly violations = new Violations();
  /** What must not be in anything that passes. */
  readonly secrets = new Secrets();
  readonly #values: WireValues;
  #logsMayBeLost = false;

  constructor(specification: Specification | undefined) {
    this.#values = new WireValues(specification);
  }

  /** From now on numbers of events may jump forward: a test takes logs away. */
  allowLostLogs(): void {
    this.#logsMayBeLost = true;
  }

  /** Hears of a request before it is answered: what it carries in secret must not come back. */
  sent(path: string, authorization: string | null, body: string): void {
    this.secrets.learn(secretsOfRequest({ path, authorization, body }));
  }

  /** Judges the head of an answer; what is returned hears its body. */
  tap(request: CheckedRequest, answer: CheckedAnswer): Tap {
    const { method, url } = request;
    const where = `${method} ${url.pathname} → ${answer.status}`;
    const report: Report = (by, what) => this.violations.add(by, where, what);
    const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}\n`);
    this.#scanner(report)(Buffer.from(headers.join('')));
    if (method === 'POST' && url.pathname.startsWith('/admin/v1/keys')) {
      return this.#adminAnswer(request, answer.status, report);
    }
    const judge = this.#judge(request, answer, report);
    const scan = this.#scanner(report);
    return {
      streams: judge?.streams ?? typeOf(answer) === 'text/event-stream',
      chunk(bytes) {
        scan(bytes);
        judge?.chunk(bytes);
      },
      end: () => judge?.end(),
    };
  }

  /** Judges a message that a client got over a WebSocket, as text; `isJudged` is false where only secrets matter. */
  socketMessage(text: string, isJudged = true): void {
    const report: Report = (by, what) => this.violations.add(by, 'WebSocket', what);
    this.#scanner(report)(Buffer.from(text));
    if (!isJudged) return;
    const value = parsed(text);
    if (value === undefined) report('stream', 'a message is not JSON');
    else this.#values.socketMessage(value, report);
  }

  /** Judges a line that a service has logged elsewhere than in the stack's own files. */
  logged(service: string, line: string): void {
    this.secrets.scanner((secret) => this.violations.add('secrets', 'logs', `${service} holds ${secret}`))(
      Buffer.from(line),
    );
  }

  #scanner(report: Report, mayHold?: string): Scanner {
    return this.secrets.scanner((secret) => report('secrets', `it holds ${secret}`), mayHold);
  }

  /** What judges a body; undefined for what is not part of the API. */
  #judge(request: CheckedRequest, answer: CheckedAnswer, report: Report): Tap | undefined {
    const { method, url } = request;
    const { status } = answer;
    if (!url.pathname.startsWith('/v1/') || method === 'HEAD' || method === 'OPTIONS') return undefined;
    // What is passed on is the model's server's own.
    if (status === 200 && PASSED_ON.has(url.pathname)) return undefined;
    const type = typeOf(answer);
    if (type === 'text/event-stream' && status === 200) {
      const check = new StreamCheck(this.#values, report, {
        after: afterOf(request),
        openaiNames: asksForOpenaiNames(request),
        mayJump: () => this.#logsMayBeLost,
      });
      return { streams: true, chunk: (bytes) => check.chunk(bytes), end: () => check.end() };
    }
    if (type !== 'application/json') report('stream', `the body is ${type ?? 'of no type'}`);
    return wholeBody((text) => {
      const value = parsed(text);
      if (value === undefined) report('stream', 'the body is not JSON');
      else this.#values.answer(method, url.pathname, status, value, report);
    });
  }

  /** The answer that makes a key shows it, this once; nothing else may be in it, and from then on that key is a secret. */
  #adminAnswer({ method, url }: CheckedRequest, status: number, report: Report): Tap {
    return wholeBody((text) => {
      const value = madeKey(method, url.pathname, status, text);
      this.#scanner(report, value)(Buffer.from(text));
      if (value !== undefined) this.secrets.learn([{ name: 'a key that was made', value }]);
    });
  }
}

function wholeBody(judge: (text: string) => void): Tap {
  const decoder = new TextDecoder();
  const texts: string[] = [];
  return {
    streams: false,
    chunk: (bytes) => texts.push(decoder.decode(bytes, { stream: true })),
    end: () => judge(texts.join('') + decoder.decode()),
  };
}

function typeOf({ headers }: CheckedAnswer): string | undefined {
  return headers.get('content-type')?.split(';')[0];
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

import { ApiError } from '@tailrace/protocol';

/** What a body may be. */
export interface JsonBounds {
  /** Levels of objects and arrays inside each other. */
  depth: number;
}

/**
 * The value of a JSON text. `JSON.parse` lets the last of several equal keys win and makes a property of `__proto__`: what
 * one reader of the body takes for its meaning, another would not. Both are refused.
 * @throws ApiError invalid_json
 */
export function parseJsonBody(text: string, bounds: JsonBounds): unknown {
  // The first look comes before the parser, so that depth costs it nothing.
  const written = surveyKeys(text, bounds.depth);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // SyntaxError is all that JSON.parse throws.
    throw refusal((error as SyntaxError).message, error);
  }
  // Equal keys become one property, so the text has more keys than the value has properties exactly if there are any.
  if (!written.special && countProperties(value) === written.count) return value;
  return new BodyReader(text).body();
}

const QUOTE = 0x22;
const COLON = 0x3a;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const ARRAY = 0x5b;
const ARRAY_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;

/** What can be told of a text's keys without taking them out of it. */
interface Keys {
  count: number;
  /**
   * Whether one is `__proto__`, or has an escape. V8 from 12.8 on may take a key with an escape for another one that it has
   * met in some earlier text: `JSON.parse('{"a":1,"\\"":2}')` has been seen to answer `{"a":1,"\\":2}`
   * (https://github.com/nodejs/node/issues/63785).
   */
  special: boolean;
}

/** Looks at the keys and the depth of a text, which may be no JSON at all. */
function surveyKeys(text: string, depth: number): Keys {
  let count = 0;
  let special = false;
  let open = 0;
  let start = 0;
  let end = 0;
  let backslash = -1;
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case QUOTE:
        start = index;
        end = endOfString(text, index);
        index = end;
        break;
      case COLON:
        count += 1;
        if (special) break;
        if (backslash < start) backslash = indexOrEnd(text, '\\', start);
        special = backslash < end || (end - start === 10 && text.startsWith('__proto__', start + 1));
        break;
      case OBJECT:
      case ARRAY:
        open += 1;
        if (open > depth) throw refusal(`it is nested deeper than ${depth} levels`);
        break;
      case OBJECT_END:
      case ARRAY_END:
        open -= 1;
    }
  }
  return { count, special };
}

function indexOrEnd(text: string, what: string, from: number): number {
  const index = text.indexOf(what, from);
  return index === -1 ? text.length : index;
}

/** Characters of a string that are looked at one by one: below that, a search costs more than it saves. */
const NEAR = 32;

/** The index of the quote that closes the string opened at `start`; the text's length where none does. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length) {
    for (const near = index + NEAR; index < near; index += 1) {
      const code = text.charCodeAt(index);
      if (code === QUOTE) return index;
      if (code === BACKSLASH) index += 1;
    }
    const quote = text.indexOf('"', index);
    if (quote === -1) break;
    let before = quote - 1;
    while (before >= index && text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((quote - before) % 2 === 1) return quote;
    index = quote + 1;
  }
  return text.length;
}

/** All properties of a value and of what is in it. Its depth is bounded. */
function countProperties(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item === 'object') count += countProperties(item);
    }
    return count;
  }
  for (const item of Object.values(value)) {
    count += 1;
    if (typeof item === 'object') count += countProperties(item);
  }
  return count;
}

/**
 * Reads a text that is known to be JSON of bounded depth key by key: to name the first key that must not be, or where the
 * platform's parser is not to be trusted with the keys. Much slower than that one.
 */
class BodyReader {
  readonly #text: string;
  readonly #path: (string | number)[] = [];
  #index = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** @throws ApiError invalid_json, where a key must not be */
  body(): unknown {
    this.#skipSpace();
    return this.#value();
  }

  #value(): unknown {
    switch (this.#text.charCodeAt(this.#index)) {
      case OBJECT:
        return this.#object();
      case ARRAY:
        return this.#array();
      case QUOTE:
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#step();
    while (this.#text.charCodeAt(this.#index) !== OBJECT_END) {
      if (this.#text.charCodeAt(this.#index) === COMMA) this.#step();
      const key = this.#string();
      if (key === '__proto__') throw refusal(`${this.#place()} has the key "__proto__", which is not allowed`);
      if (Object.hasOwn(object, key)) throw refusal(`${this.#place()} has the key ${shown(key)} twice`);
      this.#skipSpace();
      this.#step();
      this.#path.push(key);
      object[key] = this.#value();
      this.#path.pop();
      this.#skipSpace();
    }
    this.#index += 1;
    return object;
  }

  #array(): unknown[] {
    const array: unknown[] = [];
    this.#step();
    while (this.#text.charCodeAt(this.#index) !== ARRAY_END) {
      if (this.#text.charCodeAt(this.#index) === COMMA) this.#step();
      this.#path.push(array.length);
      array.push(this.#value());
      this.#path.pop();
      this.#skipSpace();
    }
    this.#index += 1;
    return array;
  }

  #string(): string {
    const start = this.#index;
    this.#index = endOfString(this.#text, start) + 1;
    return JSON.parse(this.#text.slice(start, this.#index));
  }

  #scalar(): unknown {
    const start = this.#index;
    while (isScalar(this.#text.charCodeAt(this.#index))) this.#index += 1;
    return JSON.parse(this.#text.slice(start, this.#index));
  }

  /** Over one character of structure, and the space that follows. */
  #step(): void {
    this.#index += 1;
    this.#skipSpace();
  }

  #skipSpace(): void {
    while (this.#text.charCodeAt(this.#index) <= SPACE) this.#index += 1;
  }

  /** The object that is being read, as `input[0].content`. */
  #place(): string {
    const path = this.#path
      .map((at) => (typeof at === 'number' ? `[${at}]` : `.${/^\w{1,64}$/.test(at) ? at : shown(at)}`))
      .join('');
    return path === '' ? 'the body' : `'${path.replace(/^\./, '')}'`;
  }
}

const SPACE = 0x20;

/** Whether a character belongs to a number, true, false or null: beyond the text's end there is none. */
function isScalar(code: number): boolean {
  return code > SPACE && code !== COMMA && code !== ARRAY_END && code !== OBJECT_END;
}

/** A key in a message: a client may have made it as long as the body. */
function shown(key: string): string {
  return JSON.stringify(key.length > 64 ? `${key.slice(0, 64)}…` : key);
}

function refusal(reason: string, cause?: unknown): ApiError {
  return new ApiError('invalid_json', { reason }, { cause });
}

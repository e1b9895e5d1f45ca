/** What is secret of the headers that are sent along, and of addresses that clients name, and how it is taken out of what comes back. */

/** Shorter ones are found in every text by chance. */
const LEAST_CHARS = 8;
/** Words are hardly ever so long, and keys hardly ever shorter. */
const LONG_CHARS = 16;

/**
 * Headers whose values are no secret, but may well stand in an answer for another reason. Nobody can tell of any other name
 * whether its value is one.
 */
const OPEN: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'connection',
  'content-language',
  'content-type',
  'host',
  'origin',
  'pragma',
  'prefer',
  'referer',
  'user-agent',
  'x-requested-with',
  // The names of tools, which their servers have to say.
  'x-mcp-tools',
  'x-mcp-toolsets',
]);

/** Of an API: a day, mostly, as answers are full of. */
const VERSION = /-version$/;

/** Headers that prove something, whatever scheme they do it by. */
const TELLING = /auth|token|key|secret|cookie|pass|cred|sign/i;
const SCHEME = /^(?:basic|bearer|digest|dpop|hmac|negotiate|token|api-?key)\s/i;

/**
 * What must not be shown of the headers of a request: their values, and what follows the scheme where they begin with one, as
 * in `Bearer …`. With `address`, of a server that a client has named, also what follows its origin.
 */
export function secretsOf(headers: Readonly<Record<string, string>>, address?: string): string[] {
  const plain = Object.entries(headers).flatMap(([name, value]) =>
    isOpen(name.toLowerCase()) ? [] : parts(name, value),
  );
  if (address !== undefined) plain.push(...piecesOf(address));
  const written = plain.filter((part) => part.length >= LEAST_CHARS).flatMap(spellings);
  return [...new Set(written)].sort((a, b) => b.length - a.length);
}

/**
 * What follows an address's origin, as servers like to repeat it, and what of that may be a secret of its own. Its words, such
 * as the name of a tool, may be what an answer is about.
 */
function piecesOf(address: string): string[] {
  const { pathname, search, searchParams } = new URL(address);
  const segments = pathname.split('/').filter(isLong);
  const values = [...searchParams].flatMap(([name, value]) => (TELLING.test(name) || isLong(value) ? [value] : []));
  return [`${pathname}${search}`, pathname, search.slice(1), ...segments, ...segments.map(decoded), ...values];
}

const isLong = (text: string): boolean => text.length >= LONG_CHARS;

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    // No encoding of anything: it means itself.
    if (error instanceof URIError) return segment;
    throw error;
  }
}

const isOpen = (name: string): boolean => OPEN.has(name) || VERSION.test(name);

function parts(name: string, value: string): string[] {
  const whole = value.trim();
  const proves = TELLING.test(name) || SCHEME.test(whole);
  return proves ? [whole, whole.slice(whole.search(/\s/) + 1).trim()] : [whole];
}

/** Most answers are JSON, where a quotation mark looks otherwise, and a slash may. */
function spellings(text: string): string[] {
  const json = JSON.stringify(text).slice(1, -1);
  return [text, json, json.replaceAll('/', '\\/')];
}

/** A text without the secrets that a tool has repeated in it. */
export function blotOut(text: string, secrets: readonly string[]): string {
  return secrets.reduce((left, secret) => left.replaceAll(secret, '***'), text);
}

/** The same for all texts in what can be JSON. */
export function blotOutWithin<T>(value: T, secrets: readonly string[]): T {
  if (secrets.length === 0) return value;
  const hide = (_: string, each: unknown) => (typeof each === 'string' ? blotOut(each, secrets) : each);
  return JSON.parse(JSON.stringify(value), hide) as T;
}

const ENCODINGS = ['utf8', 'latin1', 'utf16le'] as const;

/**
 * The same for bytes: there is an asterisk for each, since formats count them. What holds no secret is returned as it is, and
 * not copied.
 */
export function blotOutBytes(bytes: Buffer, secrets: readonly string[]): Buffer {
  const sought = secrets
    .flatMap((secret) => ENCODINGS.map((encoding) => ({ secret, encoding, pattern: Buffer.from(secret, encoding) })))
    // Not every text can be written in Latin-1.
    .filter(({ secret, encoding, pattern }) => pattern.toString(encoding) === secret);
  let hidden = bytes;
  for (const { pattern } of sought) {
    for (let at = hidden.indexOf(pattern); at >= 0; at = hidden.indexOf(pattern, at + pattern.length)) {
      if (hidden === bytes) hidden = Buffer.from(bytes);
      hidden.fill('*', at, at + pattern.length);
    }
  }
  return hidden;
}

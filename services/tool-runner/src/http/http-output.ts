/** What an HTTP tool has answered, as a text for a model. Pure. */
import { blotOutBytes } from '../secrets.ts';

/**
 * Text as it is; anything else as JSON: `{"content_type": …, "base64": …}`, its bytes without the secrets: nobody would find
 * them in base64.
 */
export function httpToolOutput(contentType: string | undefined, bytes: Buffer, secrets: readonly string[]): string {
  const [type = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim());
  const text = isText(type.toLowerCase()) ? decoded(bytes, charsetOf(parameters)) : type === '' ? utf8(bytes) : null;
  if (text !== null) return text;
  const base64 = blotOutBytes(bytes, secrets).toString('base64');
  return JSON.stringify({ content_type: type || 'application/octet-stream', base64 });
}

const TEXTS = new Set([
  'application/json',
  'application/xml',
  'application/javascript',
  'application/yaml',
  'application/x-yaml',
  'application/x-ndjson',
  'application/jsonl',
  'application/graphql-response+json',
  'application/x-www-form-urlencoded',
]);

function isText(type: string): boolean {
  return type.startsWith('text/') || TEXTS.has(type) || /\+(json|xml|yaml)$/.test(type);
}

function charsetOf(parameters: readonly string[]): string {
  const said = parameters.find((each) => each.toLowerCase().startsWith('charset='))?.slice('charset='.length);
  return said?.replaceAll('"', '') ?? 'utf-8';
}

/** Null for a character set that is not known. */
function decoded(bytes: Buffer, charset: string): string | null {
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Null for what is not UTF-8. */
function utf8(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

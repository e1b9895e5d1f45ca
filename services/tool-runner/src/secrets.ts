/** Shorter ones are found in every text by chance. */
const LEAST_CHARS = 8;

/** Headers of other names (`accept`, `x-tenant`) are kept sealed as well, but their values are ordinary words. */
const TELLING = /auth|token|key|secret|cookie|pass|cred|sign/i;

/**
 * What must not be shown of the headers of a request: the values of those that prove something, and their second words where
 * they begin with a scheme, as in `Bearer …`.
 */
export function secretsOf(headers: Readonly<Record<string, string>>): string[] {
  const values = Object.entries(headers).flatMap(([name, value]) => (TELLING.test(name) ? [value] : []));
  const parts = values.flatMap((value) => [value, value.slice(value.indexOf(' ') + 1)]);
  const plain = parts.map((part) => part.trim()).filter((part) => part.length >= LEAST_CHARS);
  // Most answers are JSON, where a quotation mark looks otherwise.
  return [...new Set(plain.flatMap((part) => [part, JSON.stringify(part).slice(1, -1)]))].sort(
    (a, b) => b.length - a.length,
  );
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

/** Which checks need no clock, which costs a thread each time. */

/** What a check can spend any time on: patterns backtrack, references double, and what must be unique is compared pairwise. */
const SLOW = /"(?:pattern|patternProperties|format|uniqueItems|\$ref|\$dynamicRef|\$recursiveRef)":/;

/**
 * Each part of a schema meets each part of what is checked once at the most, where no keyword is slow: so this many pairs of
 * characters are a few milliseconds, and some tens where everything is a mismatch.
 */
const PAIRS = 4_000_000;

/** How many characters may be checked against a schema without a clock. `json` is the schema as `JSON.stringify` writes it. */
export function quickChars(json: string): number {
  return SLOW.test(json) ? 0 : Math.floor(PAIRS / json.length);
}

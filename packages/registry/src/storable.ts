/**
 * Whether Postgres and JSON hold a text as it is: a NUL has no place in the one, half of a surrogate pair none in UTF-8, where
 * it would silently become another character.
 */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** What is wrong with a text that is not storable. */
export const UNSTORABLE = 'it holds a NUL, or half of a surrogate pair';

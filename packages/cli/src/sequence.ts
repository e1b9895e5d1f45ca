/** What is wrong with a list of event numbers that should run 0, 1, 2 …; undefined when nothing is. */
export function sequenceFault(numbers: readonly number[]): string | undefined {
  if (numbers.length === 0) return 'there was no event';
  const at = numbers.findIndex((number, index) => number !== index);
  return at === -1 ? undefined : `event ${numbers[at]} came where ${at} should have been`;
}

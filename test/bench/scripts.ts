/** What the demo model is asked for. The first line of each names the request among the model's calls. */

/** Chunks of text at an even pace. */
export function pacedText(label: string, chunks: number, ms: number): string {
  return `${label}\n!text ${chunks} ${ms}`;
}

/** A first chunk at once, then more at an even pace. */
export function promptText(label: string, chunks: number, ms: number): string {
  return `${label}\n!say Now\n!text ${chunks - 1} ${ms}`;
}

/** Three model calls without any delay: two tools in parallel, then one tool, then an answer of 20 chunks. */
export function threeSteps(label: string): string {
  return [
    label,
    '!reasoning 4',
    '!call get_weather {"city":"Paris"}',
    '!call get_time {"city":"Paris"}',
    '!turn',
    '!say One more look.',
    '!call get_weather {"city":"Oslo"}',
    '!turn',
    '!text 20',
  ].join('\n');
}

import { createParser } from 'eventsource-parser';

/**
 * The parsed `data:` lines of a stream of server-sent events, however its bytes are cut. It ends with `[DONE]`, of which
 * `onDone` hears, or after the chunk that `isLast`; nothing counts behind them.
 * @throws SyntaxError for data that is not JSON.
 */
export async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  isLast: (chunk: unknown) => boolean,
  onDone: () => void,
): AsyncGenerator<unknown> {
  let done = false;
  let over = false;
  let chunks: unknown[] = [];
  const parser = createParser({
    onEvent(event) {
      if (over) return;
      done = event.data.trim() === '[DONE]';
      if (!done) chunks.push(JSON.parse(event.data));
      over = done || isLast(chunks.at(-1));
    },
  });
  const decoder = new TextDecoder();
  const feed = (text: string) => {
    chunks = [];
    parser.feed(text);
    return chunks;
  };
  for await (const bytes of body) {
    yield* feed(decoder.decode(bytes, { stream: true }));
    if (done) onDone();
    if (over) return;
  }
  // A carriage return at the very end may have been half of a line end.
  yield* feed('\n');
  if (done) onDone();
}

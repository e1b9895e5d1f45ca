import { createParser } from 'eventsource-parser';

/** What says that a stream of chunks is over. */
export const DONE = '[DONE]';

/** The `data` of each event in a stream of server-sent events, however its bytes are cut. */
export async function* eventData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let data: string[] = [];
  const parser = createParser({ onEvent: (event) => data.push(event.data) });
  const decoder = new TextDecoder();
  const feed = (text: string) => {
    data = [];
    parser.feed(text);
    return data;
  };
  for await (const bytes of body) yield* feed(decoder.decode(bytes, { stream: true }));
  // A carriage return at the very end may have been half of a line end.
  yield* feed('\n');
}

/**
 * The parsed `data:` lines of a stream of server-sent events. It ends with `[DONE]`, of which `onDone` hears, or after the
 * chunk that `isLast`; nothing counts behind them.
 * @throws SyntaxError for data that is not JSON.
 */
export async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  isLast: (chunk: unknown) => boolean,
  onDone: () => void,
): AsyncGenerator<unknown> {
  for await (const data of eventData(body)) {
    if (data.trim() === DONE) {
      onDone();
      return;
    }
    const chunk: unknown = JSON.parse(data);
    yield chunk;
    if (isLast(chunk)) return;
  }
}

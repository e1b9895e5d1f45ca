import { createParser } from 'eventsource-parser';

/** What says that a stream of chunks is over. */
export const DONE = '[DONE]';

/** The `data` of each event in a stream of server-sent events, however its bytes are cut. */
export function eventData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  return eachData(body, (data) => data);
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
  for await (const chunk of eachData(body, parsed)) {
    if (chunk === OVER) {
      onDone();
      return;
    }
    yield chunk;
    if (isLast(chunk)) return;
  }
}

const OVER = Symbol('over');

function parsed(data: string): unknown {
  return data.trim() === DONE ? OVER : (JSON.parse(data) as unknown);
}

/** What `read` makes of the data of each event. Whoever waits for the next one holds no longer what it was made of. */
async function* eachData<T>(body: AsyncIterable<Uint8Array>, read: (data: string) => T): AsyncGenerator<T> {
  const waiting: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => waiting.push(data) });
  const decoder = new TextDecoder();
  const next = () => read(waiting.shift() ?? '');
  for await (const bytes of body) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    while (waiting.length > 0) yield next();
  }
  // A carriage return at the very end may have been half of a line end.
  parser.feed('\n');
  while (waiting.length > 0) yield next();
}

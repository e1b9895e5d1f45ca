/** Asks a chat-completions server; the response as it comes. */
export function ask(
  url: string,
  content: string,
  rest: Record<string, unknown> = {},
  init: { signal?: AbortSignal; headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...init.headers },
    body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content }], ...rest }),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
  });
}

/** One chunk of a stream, as far as tests look at it. */
export interface Chunk {
  id: string;
  choices: { delta: Record<string, unknown>; finish_reason: string | null }[];
  usage?: Record<string, unknown> | null;
  error?: { message: string };
}

/** What came of a stream: its chunks, whether `[DONE]` was last, and whether the connection broke. */
export async function readStream(response: Response): Promise<{ chunks: Chunk[]; done: boolean; broken: boolean }> {
  let text = '';
  let broken = false;
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    broken = true;
  }
  const events = text.split('\n\n').slice(0, -1);
  const done = events.at(-1) === 'data: [DONE]';
  if (done) events.pop();
  return { chunks: events.map((event) => JSON.parse(event.replace(/^data: /, '')) as Chunk), done, broken };
}

/** The text of all chunks. */
export function textOf(chunks: Chunk[]): string {
  return chunks.map((chunk) => String(chunk.choices[0]?.delta.content ?? '')).join('');
}

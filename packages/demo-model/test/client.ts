import type { TokenLogprob } from '../src/logprobs.ts';
import type { ResponseEvent } from '../src/response-part.ts';

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
  choices: {
    delta: Record<string, unknown>;
    logprobs: { content: TokenLogprob[] } | null;
    finish_reason: string | null;
  }[];
  service_tier?: string;
  usage?: Record<string, unknown> | null;
  error?: { message: string };
}

/** Asks a server of the Responses API; the response as it comes. */
export function askResponses(
  url: string,
  input: unknown,
  rest: Record<string, unknown> = {},
  signal: AbortSignal | null = null,
): Promise<Response> {
  return fetch(`${url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'demo', input, ...rest }),
    signal,
  });
}

/** The events of a stream of the Responses API, and whether the connection broke. Each is named by its type. */
export async function readEvents(response: Response): Promise<{ events: ResponseEvent[]; broken: boolean }> {
  const { frames, broken } = await readFrames(response);
  const events = frames.map((frame) => {
    const [, name = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(frame) ?? [];
    const event = JSON.parse(data) as ResponseEvent;
    if (event.type !== name) throw new Error(`${event.type} is named ${name}`);
    return event;
  });
  return { events, broken };
}

/** What came of a stream: its chunks, whether `[DONE]` was last, and whether the connection broke. */
export async function readStream(response: Response): Promise<{ chunks: Chunk[]; done: boolean; broken: boolean }> {
  const { frames, broken } = await readFrames(response);
  const done = frames.at(-1) === 'data: [DONE]';
  if (done) frames.pop();
  return { chunks: frames.map((frame) => JSON.parse(frame.replace(/^data: /, '')) as Chunk), done, broken };
}

async function readFrames(response: Response): Promise<{ frames: string[]; broken: boolean }> {
  let text = '';
  let broken = false;
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    broken = true;
  }
  return { frames: text.split('\n\n').slice(0, -1), broken };
}

/** The text of all chunks. */
export function textOf(chunks: Chunk[]): string {
  return chunks.map((chunk) => String(chunk.choices[0]?.delta.content ?? '')).join('');
}

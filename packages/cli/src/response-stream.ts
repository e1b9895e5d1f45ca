import { EventSourceParserStream } from 'eventsource-parser/stream';
import { z } from 'zod';

const item = z.object({
  type: z.string(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  output: z.unknown().optional(),
});

const event = z.object({
  type: z.string(),
  sequence_number: z.int(),
  delta: z.string().optional(),
  item: item.optional(),
  response: z.object({ id: z.string() }).optional(),
});

const output = z.object({
  output: z.array(z.object({ content: z.array(z.object({ text: z.string().optional() })).optional() })),
});

/** What the demo reads of an event of a response. */
export type ResponseEvent = z.output<typeof event>;

/** Where to send requests, and as whom. */
export interface Endpoint {
  /** Base address of a gateway, without `/v1`. */
  readonly gateway: string;
  readonly apiKey: string;
  readonly signal: AbortSignal;
}

/** Asks for a new response and gives its events as they arrive. @throws when the connection breaks. */
export function ask(endpoint: Endpoint, body: Readonly<Record<string, unknown>>): AsyncGenerator<ResponseEvent> {
  const json = JSON.stringify({ ...body, stream: true });
  return events(endpoint, '/v1/responses', {
    method: 'POST',
    body: json,
    headers: { 'content-type': 'application/json' },
  });
}

/** Gives the events of a response after the one of that number. @throws when the connection breaks. */
export function reattach(endpoint: Endpoint, id: string, lastEventId: number): AsyncGenerator<ResponseEvent> {
  return events(endpoint, `/v1/responses/${id}?stream=true`, { headers: { 'last-event-id': String(lastEventId) } });
}

/** Fetches a JSON document. @throws when the answer is an error. */
export async function fetchJson(endpoint: Endpoint, path: string): Promise<unknown> {
  return (await request(endpoint, path, {})).json();
}

/** All the text in a response's output. @throws ZodError when it is none. */
export function outputText(response: unknown): string {
  const parts = output.parse(response).output.flatMap((entry) => entry.content ?? []);
  return parts.map((part) => part.text ?? '').join('');
}

async function* events(endpoint: Endpoint, path: string, init: RequestInit): AsyncGenerator<ResponseEvent> {
  const response = await request(endpoint, path, init);
  if (response.body === null) throw new Error(`${path} answers without a body`);
  const messages = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { data } of messages) {
    if (data === '[DONE]') return;
    yield event.parse(JSON.parse(data));
  }
}

async function request({ gateway, apiKey, signal }: Endpoint, path: string, init: RequestInit): Promise<Response> {
  const headers = { ...init.headers, authorization: `Bearer ${apiKey}` };
  const response = await fetch(`${gateway}${path}`, { ...init, headers, signal });
  if (!response.ok) throw new Error(`${path} answers ${response.status}: ${await response.text()}`);
  return response;
}

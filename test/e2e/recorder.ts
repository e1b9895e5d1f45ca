/** A pass-through in front of the demo model that remembers, whole, what was sent to it. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request that has passed. */
export interface Recorded {
  path: string;
  headers: IncomingHttpHeaders;
  /** The body as it was sent. */
  text: string;
}

/** A message of a chat-completions request, as far as tests look at it. */
export interface ChatMessage {
  role: string;
  content?: unknown;
  tool_call_id?: string;
  tool_calls?: { id: string; type: string; function: { name: string; arguments: string } }[];
}

/** The body of a chat-completions request, as far as tests look at it. */
export interface ChatBody {
  model: string;
  messages: ChatMessage[];
  tools?: { type: string; function: { name: string; parameters?: unknown } }[];
  [parameter: string]: unknown;
}

/** See the file's head. */
export interface Recorder {
  url: string;
  /** Where everything goes; to be told before the first request. */
  forwardTo(url: string): void;
  /** The requests to `path` whose bodies contain `text`, oldest first. */
  requests(path: string, text: string): Recorded[];
  /** The chat-completions requests whose bodies contain `text`, oldest first. */
  chats(text: string): ChatBody[];
  close(): Promise<void>;
}

/** Starts a recorder on a free port of this machine. */
export async function startRecorder(): Promise<Recorder> {
  const recorded: Recorded[] = [];
  let target = '';
  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing, target, recorded).catch((error: unknown) => {
      outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const requests = (path: string, text: string) =>
    recorded.filter((each) => each.path.startsWith(path) && each.text.includes(text));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    forwardTo(url) {
      target = url;
    },
    requests,
    chats: (text) => requests('/v1/chat/completions', text).map((each) => JSON.parse(each.text) as ChatBody),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: string,
  recorded: Recorded[],
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  const body = Buffer.concat(parts);
  const { headers, method, url = '/' } = incoming;
  recorded.push({ path: url, headers, text: body.toString() });
  const onward = request(new URL(url, target), { method, headers });
  outgoing.once('close', () => onward.destroy());
  onward.end(body);
  const [answer] = (await once(onward, 'response')) as [IncomingMessage];
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  answer.pipe(outgoing);
}

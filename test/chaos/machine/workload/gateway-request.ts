/** One request to a gateway, whose answer is read as slowly as its reader likes. */
import { type IncomingHttpHeaders, type IncomingMessage, request as startRequest } from 'node:http';

/** What is asked of a gateway. */
export interface GatewayRequest {
  method: 'GET' | 'POST' | 'DELETE';
  /** From `/v1` on. */
  path: string;
  headers: Readonly<Record<string, string>>;
  /** JSON. */
  body?: string | undefined;
}

/** The head of an answer; its body has not been read. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: IncomingMessage;
}

/** There was no answer, or it broke off: what OpenAI's clients call a connection error. */
export class ConnectionFailed extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'ConnectionFailed';
  }
}

/** How long a request may take. */
export interface Patience {
  /** Milliseconds to the head of the answer. */
  headMs: number;
  /** The end of everything. */
  signal: AbortSignal;
}

/**
 * Sends a request on a connection of its own and resolves with the head of the answer.
 * @throws ConnectionFailed; the signal's reason when aborted.
 */
export function ask(gateway: string, wanted: GatewayRequest, { headMs, signal }: Patience): Promise<Answer> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const { method, headers, body } = wanted;
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const options = { method, headers: { ...headers, ...length }, agent: false as const, signal };
    const sent = startRequest(new URL(wanted.path, gateway), options);
    const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${headMs} ms`)), headMs);
    sent.once('response', (answer) => {
      clearTimeout(timer);
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
    });
    sent.on('error', (error) => {
      clearTimeout(timer);
      reject(signal.aborted ? signal.reason : new ConnectionFailed(error));
    });
    sent.end(body);
  });
}

/**
 * The whole body.
 * @throws ConnectionFailed when it breaks off, or nothing comes for `idleMs`; the signal's reason when aborted.
 */
export async function readBody({ body }: Answer, idleMs: number, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(body, idleMs, signal)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/**
 * The body as it comes; the connection is closed when the reader stops.
 * @throws ConnectionFailed when it breaks off, or nothing comes for `idleMs`; the signal's reason when aborted.
 */
export async function* chunksOf(body: IncomingMessage, idleMs: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  // Only while it is waited for: a reader that takes its time must not be taken for a silent server.
  let timer: NodeJS.Timeout | undefined;
  const watch = () => {
    timer = setTimeout(() => body.destroy(new Error(`nothing came for ${idleMs} ms`)), idleMs);
  };
  try {
    watch();
    for await (const chunk of body) {
      clearTimeout(timer);
      yield chunk as Buffer;
      watch();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new ConnectionFailed(error);
  } finally {
    clearTimeout(timer);
    body.destroy();
  }
}

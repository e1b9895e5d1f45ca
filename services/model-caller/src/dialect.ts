/** The APIs that upstreams speak. */
import type { Prompt } from '@tailrace/chain';
import type { RegisteredUpstream } from '@tailrace/registry';
import { chatRequest } from './chat-request.ts';
import { ChatTranslator } from './chat-stream.ts';
import type { Translator } from './model-op.ts';
import { responsesRequest } from './responses-request.ts';
import { ResponsesTranslator } from './responses-stream.ts';

/** One of them. */
export interface Dialect {
  /** Where requests go, under the upstream's root. */
  path: string;
  /** The body of a request, without the upstream's name of the model. */
  body(prompt: Prompt): object;
  /** Reads one answer. */
  translator(): Translator;
  /** Whether nothing that counts follows a chunk, even if the connection stays open. */
  isLast(chunk: unknown): boolean;
  /** Whether `[DONE]` says that an answer is whole. */
  endsWithDone: boolean;
  /** Whether calls of chat completions and embeddings can be passed on to it. */
  relays: boolean;
  /** Whether the upstream summarises and encrypts reasoning itself. */
  summarises: boolean;
}

const TERMINAL = new Set<unknown>(['response.completed', 'response.incomplete', 'response.failed', 'error']);

/** The dialects by their names in the registry. */
export const DIALECTS: Record<RegisteredUpstream['dialect'], Dialect> = {
  chat: {
    path: 'chat/completions',
    body: (prompt) => ({ ...chatRequest(prompt), stream: true, stream_options: { include_usage: true } }),
    translator: () => new ChatTranslator(),
    // Usage may follow the end of the text; what ends a stream is no chunk.
    isLast: () => false,
    endsWithDone: true,
    relays: true,
    summarises: false,
  },
  responses: {
    path: 'responses',
    body: (prompt) => ({ ...responsesRequest(prompt), stream: true }),
    translator: () => new ResponsesTranslator(),
    isLast: (chunk) => typeof chunk === 'object' && chunk !== null && 'type' in chunk && TERMINAL.has(chunk.type),
    endsWithDone: false,
    relays: false,
    summarises: true,
  },
};

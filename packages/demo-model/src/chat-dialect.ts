import { readChatRequest } from './chat-request.ts';
import { CompletionBody } from './completion-body.ts';
import type { CompletionHead } from './completion-head.ts';
import { CompletionStream } from './completion-stream.ts';
import type { Dialect } from './dialect.ts';
import { identityHex } from './request-identity.ts';

/** `POST /v1/chat/completions` */
export const chatDialect: Dialect = {
  name: 'chat.completions',
  conversationParam: 'messages',
  read: readChatRequest,
  output(response, { request, tier, identity }) {
    const head: CompletionHead = {
      id: `chatcmpl-${identityHex(identity)}`,
      created: Math.floor(Date.now() / 1000),
      model: request.model,
      ...(tier === null ? {} : { service_tier: tier }),
    };
    return request.stream
      ? new CompletionStream(response, head, request.includeUsage, request.topLogprobs)
      : new CompletionBody(response, head, request.topLogprobs);
  },
};

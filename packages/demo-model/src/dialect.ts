import type { ServerResponse } from 'node:http';
import type { ModelRequest, ReadRequest } from './model-request.ts';
import type { RequestIdentity } from './request-identity.ts';
import type { TurnOutput } from './turn-output.ts';

/** The parts of an answer that do not come from its steps. */
export interface AnswerContext {
  request: ModelRequest;
  /** The request as it was sent. */
  body: unknown;
  /** The service tier that is told; null: none in particular. */
  tier: string | null;
  identity: RequestIdentity;
}

/** One API in which the model can be asked. */
export interface Dialect {
  /** The endpoint's name in the call log. */
  name: 'chat.completions' | 'responses';
  /** The field that holds the conversation. */
  conversationParam: 'messages' | 'input';
  /** Checks a parsed body. Never throws. */
  read(body: unknown): ReadRequest;
  /** Where the answer's steps go: an event stream or a body, as the request asks. */
  output(response: ServerResponse, context: AnswerContext): TurnOutput;
}

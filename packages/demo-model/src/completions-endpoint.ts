import type { ServerResponse } from 'node:http';
import { beginningOf, type Call, type CallLog } from './call-log.ts';
import { readChatRequest } from './chat-request.ts';
import { CompletionBody } from './completion-body.ts';
import { CompletionStream } from './completion-stream.ts';
import type { FaultCounter } from './fault-counter.ts';
import { sendError } from './json-response.ts';
import { play } from './playback.ts';
import { chooseTurn } from './turn-choice.ts';
import { planTurn, type RequestIdentity } from './turn-plan.ts';

/** Answers `POST /v1/chat/completions` for a parsed body, and notes in the call what it was about. */
export function answerCompletion(
  body: unknown,
  response: ServerResponse,
  call: Call,
  identity: RequestIdentity,
  log: CallLog,
  faults: FaultCounter,
): void {
  const read = readChatRequest(body);
  if (!read.ok) {
    log.end(call, 'error');
    sendError(response, 400, read.message, read.param);
    return;
  }
  const { request } = read;
  call.model = beginningOf(request.model);
  call.messages_count = request.messagesCount;
  call.text = beginningOf(request.lastUserText);
  const chosen = chooseTurn(request);
  if (!chosen.ok) {
    log.end(call, 'error');
    sendError(response, 400, chosen.message, 'messages');
    return;
  }
  const id = `chatcmpl-${identity.nonce}${identity.number.toString(16).padStart(8, '0')}`;
  const head = { id, created: Math.floor(Date.now() / 1000), model: request.model };
  const output = request.stream
    ? new CompletionStream(response, head, request.includeUsage)
    : new CompletionBody(response, head);
  play(planTurn(chosen.turn, request, identity), output, response, {
    happens: (fault) => faults.reach(request.lastUserText, `${request.turnIndex}:${fault.line}`, fault.times),
    failed: (fault) => log.end(call, fault.kind === 'cut' || fault.kind === 'hang' ? fault.kind : 'error'),
    produced: (chunks) => log.countChunks(chunks),
  });
}

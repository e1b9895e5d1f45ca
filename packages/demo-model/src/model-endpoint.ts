import type { ServerResponse } from 'node:http';
import { beginningOf, type Call, type CallLog } from './call-log.ts';
import { keptParameters, offeredNames } from './call-parameters.ts';
import type { Dialect } from './dialect.ts';
import type { FaultCounter } from './fault-counter.ts';
import { sendError } from './json-response.ts';
import { play } from './playback.ts';
import type { RequestIdentity } from './request-identity.ts';
import { chooseTurn } from './turn-choice.ts';
import { planTurn } from './turn-plan.ts';

/** Answers a request to the model for a parsed body, and notes in the call what it was about. */
export function answerModel(
  dialect: Dialect,
  body: unknown,
  response: ServerResponse,
  call: Call,
  identity: RequestIdentity,
  log: CallLog,
  faults: FaultCounter,
): void {
  call.parameters = keptParameters(body);
  call.tools = offeredNames(body);
  const read = dialect.read(body);
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
    sendError(response, 400, chosen.message, dialect.conversationParam);
    return;
  }
  const { turn } = chosen;
  const output = dialect.output(response, { request, body, tier: turn.tier, identity });
  play(planTurn(turn, request, identity), output, response, {
    happens: (fault) => faults.reach(request.lastUserText, `${request.turnIndex}:${fault.line}`, fault.times),
    failed: (fault) => log.end(call, fault.kind === 'cut' || fault.kind === 'hang' ? fault.kind : 'error'),
    produced: (chunks) => log.countChunks(chunks),
  });
}

import type { ServerResponse } from 'node:http';
import type { Call, CallLog } from './call-log.ts';
import type { ToolPlan } from './demo-tool.ts';
import type { FaultCounter } from './fault-counter.ts';

/** Carries out a planned tool call; `json` is its arguments as they were sent. */
export function answerToolCall(
  plan: ToolPlan,
  json: string,
  response: ServerResponse,
  call: Call,
  log: CallLog,
  faults: FaultCounter,
): void {
  if (plan.delayMs === 0) {
    answer();
    return;
  }
  const timer = setTimeout(answer, plan.delayMs);
  response.once('close', () => clearTimeout(timer));

  function answer(): void {
    if (plan.hang) {
      log.end(call, 'hang');
    } else if (plan.error !== null && faults.reach(json, call.name, plan.error.times)) {
      log.end(call, 'error');
      sendText(plan.error.status, 'text/plain', plan.error.message);
    } else {
      sendText(200, plan.output.type, plan.output.body);
    }
  }

  function sendText(status: number, type: string, text: string): void {
    const body = Buffer.from(text);
    response.writeHead(status, { 'content-type': type, 'content-length': body.length });
    response.end(body);
  }
}

/** Stored responses for tests of what is made of them. */
import type { ModelStep, ResponseRecord, ToolStep } from '@tailrace/chain';

export const RESPONSE_ID = '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b';
const STEP_ID = '0190a1b2-c3d4-7000-8000-00000000000';

/** A response of three steps that has completed, whose log had `events` events. */
export function completedRecord(events: number): ResponseRecord {
  return {
    id: RESPONSE_ID,
    owner: 'me',
    request: {
      body: { model: 'small', input: [{ type: 'message', role: 'user', content: 'Hi' }] },
      server_tools: [{ name: 'look', description: null, parameters: null }],
      max_iterations: 10,
    },
    status: 'completed',
    error: null,
    incompleteReason: null,
    previousResponseId: null,
    conversationId: null,
    conversationPosition: null,
    createdAt: 1_000,
    endedAt: 9_000,
    entries: 4,
    nextEvent: events,
  };
}

const base = { parentStepId: null, attempt: 1, createdAt: 1_000, startedAt: 2_000, endedAt: 3_500 };

/** A model call that asks for a tool. */
export function callingStep(): ModelStep {
  return {
    ...base,
    id: `${STEP_ID}1`,
    kind: 'model_call',
    prevStepId: null,
    sequence: 1,
    addedEntry: 1,
    endedEntry: 2,
    request: { model: 'small' },
    outcome: {
      state: 'completed',
      result: {
        items: [
          {
            item: {
              type: 'function_call',
              id: 'fc_1',
              status: 'completed',
              call_id: 'call_1',
              name: 'look',
              arguments: '{"at":1}',
            },
          },
        ],
        finish: 'stop',
        usage: usageOf(5),
      },
    },
  };
}

/** The call of the tool that {@link callingStep} asks for. */
export function toolStep(): ToolStep {
  return {
    ...base,
    id: `${STEP_ID}2`,
    kind: 'tool_call',
    prevStepId: `${STEP_ID}1`,
    sequence: 2,
    attempt: 2,
    addedEntry: 2,
    endedEntry: 3,
    request: { tool: 'look', call_id: 'call_1', arguments: '{"at":1}' },
    outcome: { state: 'completed', result: { output: 'seen' } },
  };
}

/** The model call that answers. */
export function answeringStep(): ModelStep {
  return {
    ...base,
    id: `${STEP_ID}3`,
    kind: 'model_call',
    prevStepId: `${STEP_ID}2`,
    sequence: 3,
    addedEntry: 3,
    endedEntry: 4,
    request: { model: 'small' },
    outcome: {
      state: 'completed',
      result: {
        items: [
          {
            item: {
              type: 'message',
              id: 'msg_1',
              status: 'completed',
              role: 'assistant',
              content: [{ type: 'output_text', text: 'It is there.', annotations: [], logprobs: [] }],
            },
          },
        ],
        finish: 'stop',
        usage: usageOf(7),
      },
    },
  };
}

/** Tokens of one call. */
export function usageOf(output: number) {
  return {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 10 + output,
  };
}

/** Model steps as a worker gets them, and what it runs them with. */
import type { ModelWork } from '@tailrace/bus';
import { type Prompt, prompt } from '@tailrace/chain';
import { EMPTY_LOG } from '@tailrace/log';
import { newId } from '@tailrace/protocol';
import { requestWith } from '../../../packages/chain/test/chains.ts';
import type { ModelStepContext } from '../src/model-step.ts';
import { testRouter, unheard } from './upstreams.ts';

/** A prompt of one message that asks for nothing else. */
export function promptOf(content: string): Prompt {
  return prompt(requestWith({ input: [{ type: 'message', role: 'user', content }] }), [], null, [], String);
}

/** The first step of a response of its own. */
export function modelWork(fields: Partial<ModelWork> = {}): ModelWork {
  return {
    kind: 'model_call',
    responseId: newId(Date.now()),
    stepId: newId(Date.now()),
    attempt: 1,
    handedOutAt: Date.now(),
    model: 'm',
    prompt: promptOf('hello world'),
    log: EMPTY_LOG,
    outputIndex: 0,
    agent: null,
    heldBack: [],
    takeover: false,
    correlationId: 'c',
    ...fields,
  };
}

/** A model-caller that asks once, and has room for everything. */
export function stepContext(
  has: Pick<ModelStepContext, 'bus' | 'upstream'>,
  fields: Partial<ModelStepContext> = {},
): ModelStepContext {
  return {
    ...has,
    router: testRouter(),
    announce: unheard,
    partitions: 1,
    attempts: 1,
    backoffMs: 1,
    maxBackoffMs: 10,
    seal: (reasoning) => `sealed ${reasoning}`,
    bufferLimit: 1_000_000,
    messageLimit: 64_000,
    isRecorded: async () => false,
    ...fields,
  };
}

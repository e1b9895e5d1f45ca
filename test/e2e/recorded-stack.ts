import type { LocalConfig } from '@tailrace/cli';
import { type TestStack, testStack } from '../harness/stack.ts';
import { type Recorder, startRecorder } from './recorder.ts';

/** A stack with two gateways, and the model `recorded`: the demo model, with everything it is sent on record. */
export interface RecordedStack {
  stack: TestStack;
  recorder: Recorder;
  stop(): Promise<void>;
}

/** Starts a recorded stack. */
export async function recordedStack(options: { config?: LocalConfig } = {}): Promise<RecordedStack> {
  const recorder = await startRecorder();
  const upstreams = [{ base_url: `${recorder.url}/v1`, api_key: 'sk-upstream', model: 'upstream-name' }];
  const stack = await testStack({
    replicas: { gateway: 2 },
    // What hangs at the end has no more time.
    env: { DRAIN_MS: '1000' },
    config: {
      ...options.config,
      models: [
        { name: 'recorded', upstreams },
        { name: 'narrow', upstreams, context_window: 300 },
      ],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
  return {
    stack,
    recorder,
    async stop() {
      await stack.stop();
      await recorder.close();
    },
  };
}

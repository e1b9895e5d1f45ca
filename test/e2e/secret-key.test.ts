/** An installation whose key for secrets has changed. */
import { expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { testStack } from '../harness/stack.ts';

test('a worker with another key fails the step with a clear error, instead of trying for ever', async () => {
  const stack = await testStack({
    env: { TAILRACE_SECRET_KEY: 'the key of this installation' },
    envFor: (role, index): Record<string, string> =>
      role === 'model-caller' && index === 0 ? { TAILRACE_SECRET_KEY: 'another key altogether' } : {},
  });
  try {
    const failed = await stack.openai().responses.create({ model: 'demo', input: script('!text 3').text });
    expect(failed.status).toBe('failed');
    expect(failed.error).toMatchObject({
      code: 'secret_unreadable',
      message: "A secret of 'demo' cannot be opened by this server.",
    });
  } finally {
    await stack.stop();
  }
});

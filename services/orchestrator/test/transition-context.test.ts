import { afterEach, expect, test } from 'vitest';
import { boundArgumentChecks, transitionContext } from '../src/transition-context.ts';

afterEach(() => boundArgumentChecks({}));

const check = (text: string, schema: Record<string, unknown>) => transitionContext(0).checkArguments(text, schema);

/** Takes longer the more there is of it, without an end. */
const backtracking = { properties: { a: { pattern: '^(a|aa)+$' } } };

test.each([300, 100])('arguments have %i milliseconds, where the orchestrator says so', (ms) => {
  boundArgumentChecks({ ms });
  expect(check(JSON.stringify({ a: `${'a'.repeat(60)}!` }), backtracking)).toMatchObject({
    code: 'tool_schema_unusable',
    message: expect.stringContaining(`longer than ${ms} ms`),
  });
});

test('and schemas so many characters', () => {
  const schema = { description: 'x'.repeat(100) };
  expect(check('{}', schema)).toBeNull();
  boundArgumentChecks({ schemaChars: 100 });
  expect(check('{}', schema)).toMatchObject({
    code: 'tool_schema_unusable',
    message: expect.stringContaining('larger than 100 characters'),
  });
});

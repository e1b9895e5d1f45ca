/** How many compiled schemas are kept, told by how often they are compiled. */
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import type * as dialect from '../src/dialect.ts';
import { ToolArguments } from '../src/tool-arguments.ts';

const compiled: unknown[] = [];
// Other files in this process have loaded the modules as they are, or will.
vi.hoisted(() => vi.resetModules());
afterAll(() => {
  vi.doUnmock('../src/dialect.ts');
  vi.resetModules();
});
vi.mock('../src/dialect.ts', async (original) => {
  const own = await original<typeof dialect>();
  const compile = (schema: dialect.Schema) => {
    compiled.push(schema.title);
    return own.compile(schema);
  };
  return { ...own, compile };
});
beforeEach(() => {
  compiled.length = 0;
});

test('one of the largest that there may be is kept, however large that is', () => {
  const schemaChars = 9 * 1024 * 1024;
  const large = { title: 'large', description: 'x'.repeat(schemaChars - 100) };
  const checks = new ToolArguments({ schemaChars });
  checks.check('{}', large);
  checks.check('{}', large);
  expect(compiled).toEqual(['large']);
});

const schema = (title: string) => ({ title, description: 'x'.repeat(100) });

test.each([
  ['so many', { schemas: 2 }],
  ['so many characters', { keptChars: 2 * JSON.stringify(schema('a')).length }],
])('%s are kept, those that were used last', (_, options) => {
  const checks = new ToolArguments(options);
  for (const title of ['a', 'b', 'a', 'c', 'a', 'b']) checks.check('{}', schema(title));
  expect(compiled).toEqual(['a', 'b', 'c', 'b']);
});

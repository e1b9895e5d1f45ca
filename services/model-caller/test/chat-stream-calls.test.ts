import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChatTranslator } from '../src/chat-stream.ts';
import type { ModelOp } from '../src/model-op.ts';

const translateAll = (chunks: unknown[]): ModelOp[] => {
  const translator = new ChatTranslator();
  return chunks.flatMap((chunk) => translator.translate(chunk));
};
const delta = (fields: object, rest: object = {}) => ({ choices: [{ index: 0, delta: fields, ...rest }] });
const calls = (...tool_calls: object[]) => delta({ tool_calls });

const text = (content: string): ModelOp => ({ type: 'text', text: content });
const begun = (index: number, id: string | null, name: string): ModelOp => ({ type: 'call', index, id, name });
const args = (index: number, content: string): ModelOp => ({ type: 'arguments', index, text: content });

describe('calls', () => {
  const f = (name: string | null, text?: unknown) => ({ function: { name, arguments: text } });
  type Row = [what: string, chunks: unknown[], ops: ModelOp[]];
  const ROWS: Row[] = [
    [
      'index and id at first, then the index (OpenAI)',
      [
        calls({ index: 0, id: 'a', type: 'function', ...f('f', '') }),
        calls({ index: 0, ...f(null, '{"x"') }),
        calls({ index: 0, function: { arguments: ':1}' } }),
      ],
      [begun(0, 'a', 'f'), args(0, '{"x"'), args(0, ':1}')],
    ],
    [
      'parallel, one after the other',
      [
        calls({ index: 0, id: 'a', ...f('f') }),
        calls({ index: 0, ...f(null, '1') }),
        calls({ index: 1, id: 'b', ...f('g') }),
        calls({ index: 1, ...f(null, '2') }),
      ],
      [begun(0, 'a', 'f'), args(0, '1'), begun(1, 'b', 'g'), args(1, '2')],
    ],
    [
      'parallel, interleaved',
      [
        calls({ index: 0, id: 'a', ...f('f') }, { index: 1, id: 'b', ...f('g') }),
        calls({ index: 1, ...f(null, '2') }, { index: 0, ...f(null, '1') }),
      ],
      [begun(0, 'a', 'f'), begun(1, 'b', 'g'), args(1, '2'), args(0, '1')],
    ],
    [
      'several whole in one chunk',
      [calls({ index: 0, id: 'a', ...f('f', '{}') }, { index: 1, id: 'b', ...f('g', '{}') })],
      [begun(0, 'a', 'f'), args(0, '{}'), begun(1, 'b', 'g'), args(1, '{}')],
    ],
    ['indexes that begin at 1', [calls({ index: 1, id: 'a', ...f('f', '{}') })], [begun(0, 'a', 'f'), args(0, '{}')]],
    [
      'every call has the index 0 (Gemini, older Ollama)',
      [calls({ index: 0, id: 'a', ...f('f', '{}') }, { index: 0, id: 'b', ...f('g', '{}') })],
      [begun(0, 'a', 'f'), args(0, '{}'), begun(1, 'b', 'g'), args(1, '{}')],
    ],
    [
      'every piece has another id (older vLLM)',
      [
        calls({ index: 0, id: 'a', ...f('f') }),
        calls({ index: 0, id: 'b', ...f(null, '1') }),
        calls({ index: 0, id: 'c', ...f(null, '2') }),
      ],
      [begun(0, 'a', 'f'), args(0, '1'), args(0, '2')],
    ],
    [
      'id and name are repeated in each piece',
      [calls({ index: 0, id: 'a', ...f('f', '1') }), calls({ index: 0, id: 'a', ...f('f', '2') })],
      [begun(0, 'a', 'f'), args(0, '1'), args(0, '2')],
    ],
    [
      'no index: whole calls',
      [calls({ id: 'a', ...f('f', '1') }, { id: 'b', ...f('f', '2') })],
      [begun(0, 'a', 'f'), args(0, '1'), begun(1, 'b', 'f'), args(1, '2')],
    ],
    [
      'no index: pieces with their id',
      [calls({ id: 'a', ...f('f', '1') }), calls({ id: 'b', ...f('g', '2') }), calls({ id: 'a', ...f(null, '3') })],
      [begun(0, 'a', 'f'), args(0, '1'), begun(1, 'b', 'g'), args(1, '2'), args(0, '3')],
    ],
    [
      'no index, id at first only',
      [
        calls({ id: 'a', ...f('f', '1') }),
        calls(f(null, '2')),
        calls({ id: 'b', ...f('g', '3') }),
        calls(f(null, '4')),
      ],
      [begun(0, 'a', 'f'), args(0, '1'), args(0, '2'), begun(1, 'b', 'g'), args(1, '3'), args(1, '4')],
    ],
    [
      'neither index nor id',
      [calls(f('f', '1')), calls(f(null, '2')), calls(f('g', '3')), calls(f('', '4'))],
      [begun(0, null, 'f'), args(0, '1'), args(0, '2'), begun(1, null, 'g'), args(1, '3'), args(1, '4')],
    ],
    ['an empty id is none', [calls({ index: 0, id: '', ...f('f') })], [begun(0, null, 'f')]],
    [
      'null for index and id',
      [calls({ index: null, id: null, ...f('f', '1') }), calls({ index: null, id: null, ...f(null, '2') })],
      [begun(0, null, 'f'), args(0, '1'), args(0, '2')],
    ],
    [
      'arguments as an object',
      [calls({ index: 0, id: 'a', ...f('f', { x: [1] }) })],
      [begun(0, 'a', 'f'), args(0, '{"x":[1]}')],
    ],
    [
      'arguments as an empty object',
      [calls({ index: 0, id: 'a', ...f('f', {}) })],
      [begun(0, 'a', 'f'), args(0, '{}')],
    ],
    [
      'no arguments',
      [calls({ index: 0, id: 'a', ...f('f', null) }), calls({ index: 0, function: null })],
      [begun(0, 'a', 'f')],
    ],
    [
      'a name that comes late: what came before it is held back',
      [
        calls({ index: 0, id: 'a' }),
        calls({ index: 0, ...f(null, '1') }),
        calls({ index: 0, ...f('f', '2') }),
        calls({ index: 0, ...f(null, '3') }),
      ],
      [begun(0, 'a', 'f'), args(0, '12'), args(0, '3')],
    ],
    ['a late name without an index', [calls({ id: 'a' }), calls(f('f', '1'))], [begun(0, 'a', 'f'), args(0, '1')]],
    [
      'a call after text, in one chunk',
      [delta({ content: 'a', tool_calls: [{ index: 0, id: 'a', ...f('f') }] }, { finish_reason: 'tool_calls' })],
      [text('a'), begun(0, 'a', 'f'), { type: 'finish', reason: 'stop' }],
    ],
  ];
  test.each(ROWS)('%s', (_what, chunks, ops) => {
    expect(translateAll(chunks)).toEqual(ops);
  });

  test('a translator knows nothing of another one’s calls', () => {
    const chunk = calls({ index: 0, id: 'a', ...f('f', '1') });
    expect(translateAll([chunk])).toEqual(translateAll([chunk]));
  });

  test('however the pieces of parallel calls are cut and mixed, each call gets its own', () => {
    const piece = fc.record({ call: fc.nat(2), text: fc.string({ minLength: 1, maxLength: 4 }) });
    fc.assert(
      fc.property(fc.array(piece), fc.boolean(), (pieces, indexed) => {
        const seen = new Set<number>();
        const chunks = pieces.map(({ call, text: content }) => {
          const first = !seen.has(call);
          seen.add(call);
          const place = indexed ? { index: call, id: first ? `id${call}` : null } : { id: `id${call}` };
          return calls({ ...place, ...f(first ? `f${call}` : null, content) });
        });
        const built = new Map<string, string>();
        const names = new Map<number, string>();
        for (const op of translateAll(chunks)) {
          if (op.type === 'call') names.set(op.index, `${op.name} ${op.id}`);
          if (op.type !== 'arguments') continue;
          const name = names.get(op.index) ?? 'not begun';
          built.set(name, (built.get(name) ?? '') + op.text);
        }
        const expected = new Map<string, string>();
        for (const { call, text: content } of pieces) {
          const name = `f${call} id${call}`;
          expected.set(name, (expected.get(name) ?? '') + content);
        }
        expect(built).toEqual(expected);
      }),
    );
  });
});

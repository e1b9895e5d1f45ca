import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ModelRequest } from '../src/model-request.ts';
import { chooseTurn } from '../src/turn-choice.ts';
import { planTurn, type Step } from '../src/turn-plan.ts';
import { exchange, question, requestOf } from './request.ts';

function stepsOf(request: ModelRequest, number = 1): Step[] {
  const chosen = chooseTurn(request);
  if (!chosen.ok) throw new Error(chosen.message);
  return [...planTurn(chosen.turn, request, { nonce: 'abcd', number })];
}

function chunksOf(steps: Step[]) {
  return steps.flatMap((step) => (step.kind === 'chunk' ? [step] : []));
}

function contentOf(steps: Step[]): string {
  return chunksOf(steps)
    .map(({ delta }) => ('content' in delta ? delta.content : ''))
    .join('');
}

function callsOf(steps: Step[]) {
  const calls: { id: string | undefined; name: string | undefined; arguments: string; fragments: number }[] = [];
  for (const { delta } of chunksOf(steps)) {
    if (!('tool_calls' in delta)) continue;
    for (const { index, id, function: f } of delta.tool_calls) {
      const known = calls[index];
      if (known === undefined) calls[index] = { id, name: f.name, arguments: f.arguments, fragments: 1 };
      else {
        known.arguments += f.arguments;
        known.fragments += 1;
      }
    }
  }
  return calls;
}

describe('planTurn', () => {
  test('chunks come in the order written, with their delays, and are counted', () => {
    expect(stepsOf(question('!reasoning 1 5\n!text 2 7\n!say a  b'))).toEqual([
      { kind: 'chunk', delayMs: 5, delta: { reasoning_content: 'r1 ' } },
      { kind: 'chunk', delayMs: 7, delta: { content: 'w1 ' } },
      { kind: 'chunk', delayMs: 7, delta: { content: 'w2 ' } },
      { kind: 'chunk', delayMs: 0, delta: { content: 'a  ' } },
      { kind: 'chunk', delayMs: 0, delta: { content: 'b' } },
      { kind: 'finish', reason: 'stop', usage: { prompt: 9, completion: 5, cached: 0, reasoning: 1 } },
    ]);
  });

  test('!text is the same for every request, !vary is not', () => {
    const request = question('!text 2\n!vary 2');
    expect(contentOf(stepsOf(request, 1))).toBe('w1 w2 v1.1 v1.2 ');
    expect(contentOf(stepsOf(request, 2))).toBe('w1 w2 v2.1 v2.2 ');
  });

  test('parallel calls come in fragments, with ids that differ between calls and requests', () => {
    const request = question('!call f {"city": "Paris"}\n!call g {}');
    const calls = callsOf(stepsOf(request, 1));
    expect(calls).toMatchObject([
      { name: 'f', arguments: '{"city": "Paris"}', fragments: 4 },
      { name: 'g', arguments: '{}', fragments: 3 },
    ]);
    const ids = [...calls, ...callsOf(stepsOf(request, 2))].map((call) => call.id);
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(/^call_[0-9a-f]+$/);
    expect(stepsOf(request).at(-1)).toMatchObject({ reason: 'tool_calls' });
  });

  test('!whole-calls puts all calls of the turn into one chunk', () => {
    const steps = stepsOf(question('!text 1\n!call f {"a":1}\n!call g {}\n!whole-calls'));
    expect(chunksOf(steps)).toHaveLength(2);
    expect(callsOf(steps)).toMatchObject([
      { name: 'f', arguments: '{"a":1}', fragments: 1 },
      { name: 'g', arguments: '{}', fragments: 1 },
    ]);
  });

  test('fragments join to the arguments and are well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const json = JSON.stringify({ value });
        const steps = stepsOf(question(`!call f ${json}`));
        expect(callsOf(steps)[0]?.arguments).toBe(json);
        for (const { delta } of chunksOf(steps)) {
          if ('tool_calls' in delta) expect(delta.tool_calls[0]?.function.arguments.isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('faults stand where they happen: errors first, others after their chunk or the last one', () => {
    const steps = stepsOf(question('!text 2\n!cut 9\n!hang 1 times=1\n!cut 0\n!error 500 times=1\n!stream-error 2'));
    expect(steps.map((step) => (step.kind === 'fault' ? step.fault.kind : step.kind))).toEqual([
      'error',
      'cut',
      'chunk',
      'hang',
      'chunk',
      'stream-error',
      'cut',
      'finish',
    ]);
  });

  test('summaries are told as reasoning, citations span the text of the turn so far', () => {
    const steps = stepsOf(
      question('!summary 1 3\n!cite https://x.org/ First\n!text 1\n!json {"a": 1}\n!cite https://x.org/ All'),
    );
    const citation = (end_index: number, title: string) => ({
      annotations: [
        { type: 'url_citation', url_citation: { start_index: 0, end_index, url: 'https://x.org/', title } },
      ],
    });
    expect(chunksOf(steps).map((step) => [step.delayMs, step.delta])).toEqual([
      [3, { reasoning_details: [{ type: 'reasoning.summary', summary: 's1 ' }] }],
      [0, citation(0, 'First')],
      [0, { content: 'w1 ' }],
      [0, { content: '{"a": 1}' }],
      [0, citation(11, 'All')],
    ]);
    expect(steps.at(-1)).toMatchObject({ usage: { completion: 3, reasoning: 1 } });
  });

  test('an answer ends at the limit of tokens, unless it fits', () => {
    const limited = (max_tokens: number) => stepsOf(question('!text 3\n!cite https://x.org/ X', { max_tokens }));
    expect(contentOf(limited(2))).toBe('w1 w2 ');
    expect(limited(2).at(-1)).toMatchObject({ reason: 'length', usage: { completion: 2 } });
    expect(limited(3)).toHaveLength(5);
    expect(limited(3).at(-1)).toMatchObject({ reason: 'stop', usage: { completion: 3 } });
  });

  test('finish reason and usage are overridden', () => {
    expect(stepsOf(question('!text 1\n!finish length\n!usage 1 2 3 4')).at(-1)).toEqual({
      kind: 'finish',
      reason: 'length',
      usage: { prompt: 1, completion: 2, cached: 3, reasoning: 4 },
    });
    expect(stepsOf(question('!text 1\n!no-usage')).at(-1)).toMatchObject({ usage: null });
  });

  test('each turn plays its own part, and those past the script tell the outputs', () => {
    const script = { role: 'user', content: '!call f {}\n!turn\n!text 1' };
    const call = (id: string) => exchange({ id, tool: 'f', args: {}, output: `output ${id}` });
    expect(callsOf(stepsOf(requestOf([script])))).toHaveLength(1);
    expect(contentOf(stepsOf(requestOf([script, ...call('a')])))).toBe('w1 ');
    expect(contentOf(stepsOf(requestOf([script, ...call('a'), ...call('b')])))).toBe(
      'The tools answered: f: output a; f: output b.',
    );
    expect(contentOf(stepsOf(requestOf([script, ...call('a'), script])))).toBe('');
  });

  test('a turn that names no output says a default text, !text 0 says nothing', () => {
    expect(contentOf(stepsOf(question('!finish length')))).toBe('That is all.');
    expect(stepsOf(question('!text 0'))).toHaveLength(1);
  });
});

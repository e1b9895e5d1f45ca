import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptyTurn, parseScript } from '../src/script.ts';

const turn = emptyTurn();

describe('parseScript', () => {
  test.each([
    ['!text 20 10', { segments: [{ kind: 'text', count: 20, delayMs: 10 }] }],
    ['!text 3', { segments: [{ kind: 'text', count: 3, delayMs: 0 }] }],
    ['  !vary 2 5  ', { segments: [{ kind: 'vary', count: 2, delayMs: 5 }] }],
    ['!reasoning 4', { segments: [{ kind: 'reasoning', count: 4, delayMs: 0 }] }],
    ['!summary 2 5', { segments: [{ kind: 'summary', count: 2, delayMs: 5 }] }],
    ['!json {"a":  1}', { segments: [{ kind: 'json', text: '{"a":  1}', delayMs: 0 }] }],
    ['!cite https://x.org/a A  title', { segments: [{ kind: 'cite', url: 'https://x.org/a', title: 'A  title' }] }],
    ['!say a  b, !c', { segments: [{ kind: 'say', text: 'a  b, !c', delayMs: 0 }] }],
    ['!refuse I will not', { segments: [{ kind: 'refuse', text: 'I will not', delayMs: 0 }] }],
    ['!call f {"a": [1, 2]}', { segments: [{ kind: 'call', tool: 'f', arguments: '{"a": [1, 2]}' }] }],
    ['!call f', { segments: [{ kind: 'call', tool: 'f', arguments: '{}' }] }],
    ['!raw-call f {"a', { segments: [{ kind: 'call', tool: 'f', arguments: '{"a' }] }],
    ['!whole-calls', { wholeCalls: true }],
    ['!finish content_filter', { finish: 'content_filter' }],
    ['!usage 10 20', { usage: { prompt: 10, completion: 20, cached: 0, reasoning: 0 } }],
    ['!usage 10 20 5 7', { usage: { prompt: 10, completion: 20, cached: 5, reasoning: 7 } }],
    ['!no-usage', { usage: null }],
    ['!tier flex', { tier: 'flex' }],
    [
      '!error 429 retry-after=2 times=3 slow  down times=9',
      {
        faults: [{ kind: 'error', status: 429, retryAfter: '2', message: 'slow down times=9', times: 3, line: 1 }],
      },
    ],
    ['!error 500', { faults: [{ kind: 'error', status: 500, retryAfter: null, message: null, times: null, line: 1 }] }],
    ['!cut 3', { faults: [{ kind: 'cut', after: 3, times: null, line: 1 }] }],
    ['!hang 0 times=2', { faults: [{ kind: 'hang', after: 0, times: 2, line: 1 }] }],
    ['!stream-error 1', { faults: [{ kind: 'stream-error', after: 1, times: null, line: 1 }] }],
  ])('%s', (text, expected) => {
    expect(parseScript(text)).toEqual({ ok: true, turns: [{ ...turn, ...expected }] });
  });

  test('other lines are no directives, and a prompt without directives is no script', () => {
    expect(parseScript('Hello!\nHow are you?! x')).toEqual({ ok: true, turns: null });
    expect(parseScript('label 7\r\n!text 1\r\nmore')).toEqual({
      ok: true,
      turns: [{ ...turn, segments: [{ kind: 'text', count: 1, delayMs: 0 }] }],
    });
  });

  test('!turn starts the next turn, and lines are counted from the start of the prompt', () => {
    const parsed = parseScript('!call a {}\n!call b {}\n!turn\n!turn\n!cut 2\n!text 9');
    expect(parsed).toMatchObject({
      turns: [
        { segments: [{ tool: 'a' }, { tool: 'b' }], faults: [] },
        turn,
        { segments: [{ count: 9 }], faults: [{ kind: 'cut', after: 2, line: 5 }] },
      ],
    });
  });

  test.each([
    '!nonsense',
    '!',
    '! text 3',
    '!text',
    '!text x',
    '!text -1',
    '!text 1 2 3',
    '!text 1000001',
    '!text 1 600001',
    '!say',
    '!json',
    '!summary',
    '!cite',
    '!cite https://x.org/',
    '!cite nowhere A title',
    '!tier',
    '!tier a b',
    '!refuse',
    '!call',
    '!call f {"a"',
    '!call f [1]',
    '!call f null',
    '!finish',
    '!finish a b',
    '!usage 1',
    '!usage 1 2 3 4 5',
    '!no-usage x',
    '!whole-calls 1',
    '!turn 2',
    '!error',
    '!error 0',
    '!error 200',
    '!error 600',
    '!error 429 retry-after=soon',
    '!error 500 times=0',
    '!cut',
    '!cut x',
    '!cut 1 times=0',
    '!cut 1 retry-after=1',
    '!hang 1 2',
  ])('%s is refused, and the line is named', (line) => {
    const parsed = parseScript(`a question\n${line}`);
    expect(parsed).toMatchObject({ ok: false, message: expect.stringContaining(`Line 2 of the script, "${line}"`) });
  });

  test('a turn is bounded over all its lines', () => {
    expect(parseScript('!text 600000\n!turn\n!text 600000')).toMatchObject({ ok: true });
    expect(parseScript('!text 600000\n!text 600000')).toMatchObject({ ok: false });
  });

  test('any text is read without throwing', () => {
    const line = fc.oneof(
      fc.string(),
      fc
        .constantFrom('!text', '!call', '!error', '!cut', '!usage', '!turn')
        .chain((name) => fc.string().map((rest) => `${name} ${rest}`)),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const parsed = parseScript(lines.join('\n'));
        expect(parsed.ok || parsed.message !== '').toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

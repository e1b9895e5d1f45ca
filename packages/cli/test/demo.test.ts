import { describe, expect, test } from 'vitest';
import { outputText } from '../src/response-stream.ts';
import { sequenceFault } from '../src/sequence.ts';
import { type ChartStep, parseSteps, stepChart } from '../src/step-chart.ts';

const step = (
  name: string,
  atMs: number | null,
  durationMs: number | null,
  more: Partial<ChartStep> = {},
): ChartStep => ({
  kind: 'tool_call',
  name,
  state: 'completed',
  attempt: 1,
  started_at: atMs === null ? null : new Date(atMs).toISOString(),
  duration_ms: durationMs,
  children: [],
  ...more,
});

describe('the chart of steps', () => {
  test('draws the tree, the times, and what ran at once', () => {
    const inner = step('inner', 1_100, 200, { kind: 'model_call' });
    const lines = stepChart([
      step('first', 1_000, 100),
      step('agent', 1_100, 800, { attempt: 2, children: [inner] }),
      step('waiting', null, null, { state: 'pending' }),
    ]).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^├─ tool_call first +\+0\.00 s +0\.10 s +█{4}·{28} +completed$/);
    expect(lines[1]).toMatch(/^├─ tool_call agent +\+0\.10 s +0\.80 s +·{3}█{28}·? +completed, attempt 2$/);
    expect(lines[2]).toMatch(/^│ {2}└─ model_call inner +\+0\.10 s +0\.20 s/);
    expect(lines[3]).toMatch(/^└─ tool_call waiting +pending$/);
  });

  test('reads the answer of the gateway and refuses others', () => {
    expect(parseSteps({ object: 'list', data: [step('a', 1, 2, { children: [step('b', 1, 1)] })] })).toHaveLength(1);
    expect(() => parseSteps({ data: [{ kind: 'x' }] })).toThrow(/name/);
  });
});

test('a gap, a repetition and a late start are seen in the numbers of events', () => {
  expect(sequenceFault([0, 1, 2])).toBeUndefined();
  expect(sequenceFault([0, 1, 3])).toBe('event 3 came where 2 should have been');
  expect(sequenceFault([0, 1, 1])).toBe('event 1 came where 2 should have been');
  expect(sequenceFault([1])).toBe('event 1 came where 0 should have been');
  expect(sequenceFault([])).toBe('there was no event');
});

test('the text of a response is that of all its parts', () => {
  const output = [{ type: 'function_call' }, { content: [{ text: 'a' }, { type: 'x' }] }, { content: [{ text: 'b' }] }];
  expect(outputText({ output })).toBe('ab');
});

import type { Step, ToolStep } from '@tailrace/chain';
import { describe, expect, test } from 'vitest';
import { stepTree } from '../src/step-tree.ts';
import { answeringStep, callingStep, toolStep, usageOf } from './stored.ts';

describe('the steps as a tree', () => {
  test('in their order, with names, times and tokens', () => {
    const tree = stepTree([answeringStep(), toolStep(), callingStep()]);
    const base = {
      object: 'response.step',
      state: 'completed',
      error: null,
      server_label: null,
      created_at: '1970-01-01T00:00:01.000Z',
      started_at: '1970-01-01T00:00:02.000Z',
      ended_at: '1970-01-01T00:00:03.500Z',
      duration_ms: 1_500,
      children: [],
    };
    expect(tree).toEqual([
      {
        ...base,
        id: 'step_0190a1b2c3d470008000000000000001',
        kind: 'model_call',
        name: 'small',
        tool_type: null,
        sequence: 1,
        attempt: 1,
        call_id: null,
        usage: usageOf(5),
      },
      {
        ...base,
        id: 'step_0190a1b2c3d470008000000000000002',
        kind: 'tool_call',
        name: 'look',
        tool_type: 'function',
        sequence: 2,
        attempt: 2,
        call_id: 'call_1',
        usage: null,
      },
      {
        ...base,
        id: 'step_0190a1b2c3d470008000000000000003',
        kind: 'model_call',
        name: 'small',
        tool_type: null,
        sequence: 3,
        attempt: 1,
        call_id: null,
        usage: usageOf(7),
      },
    ]);
  });

  test('a sub-loop stands under the call that opened it, at any depth', () => {
    const under = (step: Step, parentStepId: string, sequence: number): Step => ({
      ...step,
      id: step.id.replace(/.$/, String(sequence)),
      parentStepId,
      sequence,
    });
    const top = toolStep();
    const inner = under(toolStep(), top.id, 5);
    const chain = [
      callingStep(),
      top,
      under(callingStep(), top.id, 4),
      inner,
      under(answeringStep(), inner.id, 6),
      answeringStep(),
    ];
    const outline = (nodes: ReturnType<typeof stepTree>): unknown[] =>
      nodes.map((node) => (node.children.length === 0 ? node.sequence : [node.sequence, ...outline(node.children)]));
    expect(outline(stepTree(chain))).toEqual([1, [2, 4, [5, 6]], 3]);
  });

  test('tools are told apart, and what is secret of a server or a call is not there', () => {
    const asking = (fields: Partial<ToolStep['request']>): Step => ({
      ...toolStep(),
      request: { tool: 'look', call_id: 'call_1', arguments: '{"password":"hunter2"}', ...fields },
    });
    const tree = stepTree([
      asking({ agent: true }),
      asking({ tool: 'wiki', mcp: { do: 'list', server: 'wiki', at: 'https://wiki.example/secret-path' } }),
      asking({ mcp: { do: 'call', server: 'wiki', name: 'look', approval: null } }),
      asking({ mcp: { do: 'ask', server: 'wiki', name: 'look' } }),
    ]);
    expect(tree.map(({ name, tool_type, server_label }) => [name, tool_type, server_label])).toEqual([
      ['look', 'agent', null],
      ['wiki', 'mcp_list_tools', 'wiki'],
      ['look', 'mcp_call', 'wiki'],
      ['look', 'mcp_approval_request', 'wiki'],
    ]);
    expect(JSON.stringify(tree)).not.toMatch(/secret|hunter2/);
  });

  test('what has not ended has no end, what has not begun no times; a failed step has its error and its tokens', () => {
    const open = { endedAt: null, endedEntry: null } as const;
    const error = { code: 'upstream_cut', message: 'It broke.' } as const;
    const result = { items: [], finish: 'stop', usage: usageOf(3) } as const;
    const [pending, processing, failed, canceled, untouched] = stepTree([
      { ...callingStep(), ...open, sequence: 1, startedAt: null, outcome: { state: 'pending' } },
      { ...toolStep(), ...open, sequence: 2, outcome: { state: 'processing' } },
      { ...callingStep(), sequence: 3, outcome: { state: 'failed', error, result: { ...result, items: [] } } },
      { ...callingStep(), sequence: 4, outcome: { state: 'canceled', result: { ...result, items: [] } } },
      { ...callingStep(), sequence: 5, outcome: { state: 'canceled', result: null } },
    ]);
    expect(pending).toMatchObject({
      state: 'pending',
      started_at: null,
      ended_at: null,
      duration_ms: null,
      usage: null,
    });
    expect(processing).toMatchObject({ state: 'processing', ended_at: null, duration_ms: null, error: null });
    expect(processing?.started_at).not.toBeNull();
    expect(failed).toMatchObject({ state: 'failed', error, usage: usageOf(3), duration_ms: 1_500 });
    expect(canceled).toMatchObject({ state: 'canceled', error: null, usage: usageOf(3) });
    expect(untouched).toMatchObject({ state: 'canceled', error: null, usage: null });
  });

  test('no steps, no tree', () => {
    expect(stepTree([])).toEqual([]);
  });
});

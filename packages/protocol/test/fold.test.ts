import { describe, expect, test } from 'vitest';
import {
  FoldError,
  foldEvents,
  foldItems,
  type OutputMessage,
  type ResponseEvent,
  type UnnumberedEvent,
} from '../src/index.ts';
import {
  added,
  call,
  created,
  delta,
  done,
  foldRun,
  inCall,
  inMessage,
  inThoughts,
  mcpCall,
  mcpList,
  message,
  numbered,
  openPart,
  output,
  partDone,
  resource,
  textDone,
  textPart,
  thoughts,
} from './logs.ts';

describe('foldEvents', () => {
  test('knows what a client knows after each event of a log', () => {
    const whole: OutputMessage = { ...message, status: 'completed', content: [textPart('ab')] };
    const log = numbered([
      { type: 'response.created', response: resource({ status: 'queued' }) },
      { type: 'response.in_progress', response: resource() },
      added(message),
      openPart,
      delta('a'),
      delta('b'),
      textDone('ab'),
      partDone('ab'),
      done(whole),
      { type: 'response.completed', response: resource({ status: 'completed', completed_at: 2, output: [whole] }) },
    ]);
    const after = (count: number) => foldEvents(log.slice(0, count));
    expect(after(1)).toMatchObject({ status: 'queued', output: [] });
    expect(after(2)).toMatchObject({ status: 'in_progress', output: [] });
    expect(after(3).output).toEqual([message]);
    expect(after(5).output).toEqual([{ ...message, content: [textPart('a')] }]);
    expect(after(8).output).toEqual([{ ...message, content: [textPart('ab')] }]);
    expect(after(9).output).toEqual([whole]);
    expect(after(10)).toEqual(resource({ status: 'completed', completed_at: 2, output: [whole] }));
  });

  test('shares nothing with the events', () => {
    const log = numbered([created, added(message), openPart, delta('a')]);
    const before = structuredClone(log);
    expect(foldEvents(log)).toEqual(foldEvents(log));
    expect(log).toEqual(before);
  });

  test('builds the output from the item events alone, so that a terminal event can be checked against it', () => {
    const end: UnnumberedEvent = { type: 'response.failed', response: resource({ status: 'failed', output: [call] }) };
    expect(foldEvents(numbered([created, end]))).toMatchObject({ status: 'failed', output: [] });
  });

  test('takes a jump forward, as after a log that was lost', () => {
    const [first] = numbered([created]);
    if (!first) throw new Error('there is one event');
    expect(foldEvents([first, { ...added(message), sequence_number: 1_000_000 }]).output).toEqual([message]);
  });

  test.each<[string, ResponseEvent[]]>([
    ['that begins in the middle', numbered([added(message)])],
    ['that begins with its end', numbered([{ type: 'response.completed', response: resource() }])],
    ['with two beginnings', numbered([created, created])],
    [
      'that goes on after its end',
      numbered([created, { type: 'response.failed', response: resource() }, added(message)]),
    ],
    [
      'with two ends',
      numbered([
        created,
        { type: 'response.failed', response: resource() },
        { type: 'response.failed', response: resource() },
      ]),
    ],
    ['with a number twice', [created, added(message)].map((event) => ({ ...event, sequence_number: 0 }))],
    [
      'with a number that goes back',
      [created, added(message)].map((event, index) => ({ ...event, sequence_number: 1 - index })),
    ],
  ])('refuses a log %s', (_what, log) => {
    expect(() => foldEvents(log)).toThrow(FoldError);
  });

  test('refuses an empty log', () => {
    expect(() => foldEvents([])).toThrow('an empty log has no response');
  });
});

describe('foldItems', () => {
  test('builds each kind of item', () => {
    const events: UnnumberedEvent[] = [
      added(thoughts),
      { type: 'response.content_part.added', ...inThoughts, part: { type: 'reasoning_text', text: '' } },
      { type: 'response.reasoning.delta', ...inThoughts, delta: 'hm' },
      { type: 'response.reasoning.done', ...inThoughts, text: 'hm' },
      added(call, 1),
      { type: 'response.function_call_arguments.delta', ...inCall, output_index: 1, delta: '{' },
      { type: 'response.function_call_arguments.delta', ...inCall, output_index: 1, delta: '}' },
      { type: 'response.function_call_arguments.done', ...inCall, output_index: 1, name: 'f', arguments: '{}' },
      added(message, 2),
      { type: 'response.content_part.added', ...inMessage, output_index: 2, part: { type: 'refusal', refusal: '' } },
      { type: 'response.refusal.delta', ...inMessage, output_index: 2, delta: 'no' },
      { type: 'response.refusal.done', ...inMessage, output_index: 2, refusal: 'no' },
    ];
    const items = [
      { ...thoughts, content: [{ type: 'reasoning_text', text: 'hm' }] },
      { ...call, arguments: '{}' },
      { ...message, content: [{ type: 'refusal', refusal: 'no' }] },
    ];
    expect(foldRun(events)).toEqual(items);
    const at = { item_id: 'mcp_1', output_index: 4 };
    const listAt = { item_id: 'mcpl_1', output_index: 5 };
    const tools = [{ name: 'search', description: null, input_schema: {}, annotations: null }];
    const request = {
      type: 'mcp_approval_request' as const,
      id: 'mcpr_1',
      server_label: 'docs',
      name: 'drop',
      arguments: '{}',
    };
    const log = numbered([
      created,
      ...events,
      added(output, 3),
      added(mcpCall, 4),
      { type: 'response.mcp_call.in_progress', ...at },
      { type: 'response.mcp_call_arguments.delta', ...at, delta: '{' },
      { type: 'response.mcp_call_arguments.delta', ...at, delta: '}' },
      { type: 'response.mcp_call_arguments.done', ...at, arguments: '{}' },
      added(mcpList, 5),
      { type: 'response.mcp_list_tools.in_progress', ...listAt },
      { type: 'response.mcp_list_tools.completed', ...listAt },
      done({ ...mcpList, tools }, 5),
      added(request, 6),
      done(request, 6),
      done({ ...output, status: 'completed', output: 'x' }, 3),
    ]);
    expect(foldEvents(log).output).toEqual([
      ...items,
      { ...output, status: 'completed', output: 'x' },
      { ...mcpCall, arguments: '{}' },
      { ...mcpList, tools },
      request,
    ]);
  });

  test('what is told of agents is nothing of the response', () => {
    const progress: UnnumberedEvent = {
      type: 'tailrace.progress',
      step_id: 'step_2',
      parent_step_id: 'step_1',
      agent: 'researcher',
      depth: 1,
      event: added(message),
    };
    expect(foldEvents(numbered([created, progress, added(call)])).output).toEqual([call]);
    expect(() => foldRun([progress])).toThrow(FoldError);
  });

  test('begins where the step does', () => {
    expect(foldItems(numbered([added(message, 2), added(call, 3)]), 2)).toEqual([message, call]);
    expect(foldItems([], 5)).toEqual([]);
  });

  test('an item that is closed empty is empty, whatever it held', () => {
    const emptied: OutputMessage = { ...message, status: 'incomplete' };
    expect(foldRun([added(message), openPart, delta('a'), done(emptied)])).toEqual([emptied]);
  });

  const whole = { ...message, status: 'completed' as const };
  test.each<[string, UnnumberedEvent[]]>([
    ['leaves out an index', [added(message, 1)]],
    ['adds an item where one is', [added(message), added(call, 0)]],
    ['ends an item that is not there', [done(message)]],
    ['ends another item than the one there', [added(message), done({ ...message, id: 'msg_2' })]],
    ['ends an item twice', [added(message), done(whole), done(whole)]],
    ['leaves out a part', [added(message), { ...openPart, content_index: 1 }]],
    ['adds a part where one is', [added(message), openPart, openPart]],
    ['adds a part to a call', [added(call), { ...openPart, item_id: 'fc_1' }]],
    ['adds a part to another item than the one there', [added(message), { ...openPart, item_id: 'msg_2' }]],
    ['extends a part that is not there', [added(message), delta('a')]],
    ['ends a part that is not there', [added(message), partDone('')]],
    ['extends an item that is not there', [delta('a')]],
    [
      'extends an item that has ended',
      [added(message), openPart, done({ ...whole, content: [textPart('')] }), delta('a')],
    ],
    ['says another text than its deltas', [added(message), openPart, delta('a'), textDone('b')]],
    [
      'refuses where there is text',
      [added(message), openPart, { type: 'response.refusal.delta', ...inMessage, delta: 'no' }],
    ],
    [
      'says another refusal than its deltas',
      [added(message), openPart, { type: 'response.refusal.done', ...inMessage, refusal: '' }],
    ],
    [
      'gives arguments to a message',
      [
        added(message),
        { type: 'response.function_call_arguments.delta', item_id: 'msg_1', output_index: 0, delta: '{' },
      ],
    ],
    [
      'gives arguments to another call',
      [added(call), { type: 'response.function_call_arguments.delta', ...inCall, item_id: 'fc_2', delta: '{' }],
    ],
    [
      'gives arguments to a call that is not there',
      [{ type: 'response.function_call_arguments.delta', ...inCall, delta: '{' }],
    ],
    [
      'says other arguments than its deltas',
      [added(call), { type: 'response.function_call_arguments.done', ...inCall, name: 'f', arguments: '{}' }],
    ],
    [
      'gives arguments to a call that has ended',
      [
        added(call),
        done({ ...call, status: 'completed' }),
        { type: 'response.function_call_arguments.delta', ...inCall, delta: '{' },
      ],
    ],
    ['tells of the response', [created]],
    ['has an item of a tool', [added(output)]],
    ['ends as an item of a tool', [added(message), done({ ...output, id: 'msg_1' })]],
  ])('refuses a run that %s', (_what, events) => {
    expect(() => foldRun(events)).toThrow(FoldError);
  });

  const at = { item_id: 'mcp_1', output_index: 0 };
  test.each<[string, UnnumberedEvent[]]>([
    ['ends a list twice', [added(mcpList), done(mcpList), done(mcpList)]],
    ['tells of a list where there is a call', [added(mcpCall), { type: 'response.mcp_list_tools.failed', ...at }]],
    ['tells of a call where there is a message', [added(message), { type: 'response.mcp_call.failed', ...at }]],
    ['tells of another call', [added({ ...mcpCall, id: 'mcp_2' }), { type: 'response.mcp_call.completed', ...at }]],
    ['tells of a call that is not there', [{ type: 'response.mcp_call.in_progress', ...at }]],
    [
      'says other arguments than its deltas',
      [added(mcpCall), { type: 'response.mcp_call_arguments.done', ...at, arguments: '{}' }],
    ],
    [
      'extends a call that has ended',
      [added(mcpCall), done(mcpCall), { type: 'response.mcp_call_arguments.delta', ...at, delta: '{' }],
    ],
  ])('refuses a log that %s', (_what, events) => {
    expect(() => foldEvents(numbered([created, ...events]))).toThrow(FoldError);
  });

  test('an item before the step is somebody else’s', () => {
    expect(() => foldItems(numbered([done(message)]), 1)).toThrow(FoldError);
  });

  test('the error names the event', () => {
    expect(() => foldRun([added(message), done(call)])).toThrow(
      'event 1 (response.output_item.done): another item is there',
    );
  });
});

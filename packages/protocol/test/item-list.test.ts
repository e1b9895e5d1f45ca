import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  inputItem,
  itemId,
  type KeptItem,
  type ListedItem,
  type ListQuery,
  listedItem,
  listPage,
  listQuery,
  pageOf,
  validate,
} from '../src/index.ts';
import { refusalOf } from './refusal.ts';

const ORIGIN = '018f0000-0000-7000-8000-00000000000f';

/** An item as it is kept, from what a client sends. */
function kept(sent: object): KeptItem {
  const item = validate(inputItem, sent);
  if (item.type === 'item_reference') throw new Error('a reference is never kept');
  return item;
}

describe('an item in its full form', () => {
  type Row = [what: string, sent: object, listed: object];
  const ROWS: Row[] = [
    [
      'a text of the user',
      { role: 'user', content: 'hi' },
      { type: 'message', status: 'completed', role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
    ],
    [
      'a text of the model',
      { role: 'assistant', content: 'hello', phase: 'commentary', status: 'incomplete' },
      {
        type: 'message',
        status: 'incomplete',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'hello', annotations: [] }],
        phase: 'commentary',
      },
    ],
    [
      'parts of a user',
      {
        role: 'user',
        phase: null,
        content: [
          { type: 'input_text', text: 'look' },
          { type: 'input_image', image_url: 'https://example.org/i.png' },
          { type: 'input_image', image_url: 'data:image/png;base64,AA', detail: 'low' },
          { type: 'input_file', filename: 'a.txt', file_data: 'AA', file_url: null },
          { type: 'input_file', file_url: 'https://example.org/a.txt' },
        ],
      },
      {
        type: 'message',
        status: 'completed',
        role: 'user',
        content: [
          { type: 'input_text', text: 'look' },
          { type: 'input_image', image_url: 'https://example.org/i.png', detail: 'auto' },
          { type: 'input_image', image_url: 'data:image/png;base64,AA', detail: 'low' },
          { type: 'input_file', filename: 'a.txt', file_data: 'AA' },
          { type: 'input_file', file_url: 'https://example.org/a.txt' },
        ],
      },
    ],
    [
      'parts of a model',
      {
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'a' },
          { type: 'output_text', text: 'b', annotations: null, logprobs: null },
          { type: 'output_text', text: 'c', annotations: [], logprobs: [] },
          { type: 'refusal', refusal: 'no' },
        ],
      },
      {
        type: 'message',
        status: 'completed',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'a', annotations: [] },
          { type: 'output_text', text: 'b', annotations: [] },
          { type: 'output_text', text: 'c', annotations: [], logprobs: [] },
          { type: 'refusal', refusal: 'no' },
        ],
      },
    ],
    [
      'a call',
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}', status: null },
      { type: 'function_call', status: 'completed', call_id: 'c', name: 'f', arguments: '{}' },
    ],
    [
      'the output of a call',
      { type: 'function_call_output', call_id: 'c', output: 'x', status: 'incomplete' },
      { type: 'function_call_output', status: 'incomplete', call_id: 'c', output: 'x' },
    ],
    [
      'the output of a call, in parts',
      { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_file', file_data: 'AA' }] },
      {
        type: 'function_call_output',
        status: 'completed',
        call_id: 'c',
        output: [{ type: 'input_file', file_data: 'AA' }],
      },
    ],
    ['reasoning', { type: 'reasoning' }, { type: 'reasoning', status: 'completed', summary: [], content: [] }],
    [
      'reasoning with all there is',
      {
        type: 'reasoning',
        summary: [{ type: 'summary_text', text: 's' }],
        content: [{ type: 'reasoning_text', text: 'r' }],
        encrypted_content: 'e',
      },
      {
        type: 'reasoning',
        status: 'completed',
        summary: [{ type: 'summary_text', text: 's' }],
        content: [{ type: 'reasoning_text', text: 'r' }],
        encrypted_content: 'e',
      },
    ],
    [
      'a compaction',
      { type: 'compaction', encrypted_content: 'e', created_by: 'me' },
      { type: 'compaction', encrypted_content: 'e' },
    ],
    [
      'what a server can do',
      { type: 'mcp_list_tools', server_label: 's', tools: [{ name: 't', input_schema: {} }] },
      {
        type: 'mcp_list_tools',
        server_label: 's',
        tools: [{ name: 't', description: null, input_schema: {}, annotations: null }],
        error: null,
      },
    ],
    [
      'an approval',
      { type: 'mcp_approval_response', approval_request_id: 'mcpr_1', approve: false, reason: 'no' },
      { type: 'mcp_approval_response', approval_request_id: 'mcpr_1', approve: false, reason: 'no' },
    ],
  ];

  test('a call of a server, and one that waits for approval, keep the ids that others refer to', () => {
    const named = { server_label: 's', name: 't', arguments: '{}' };
    const request = { type: 'mcp_approval_request', id: 'mcpr_1', ...named };
    const call = { type: 'mcp_call', id: 'mcp_1', ...named, output: 'x', error: null, approval_request_id: 'mcpr_1' };
    expect(listedItem(kept(request), ORIGIN, 0)).toEqual(request);
    expect(listedItem(kept(call), ORIGIN, 1)).toEqual({ ...call, status: 'completed' });
    expect(listedItem(kept({ ...call, status: 'failed' }), ORIGIN, 1)).toEqual({ ...call, status: 'failed' });
  });

  test.each(ROWS)('%s', (_what, sent, listed) => {
    const item = kept(sent);
    expect(listedItem(item, ORIGIN, 3)).toStrictEqual({ ...listed, id: itemId(item.type, ORIGIN, 3) });
  });

  test('keeps the id that the client gave it', () => {
    expect(listedItem(kept({ role: 'user', content: 'hi', id: 'mine' }), ORIGIN, 3).id).toBe('mine');
  });

  test('does not show what the server has read out of a file', () => {
    const file = { type: 'input_file' as const, filename: 'a.pdf', file_data: 'AA', text: 'the text in it' };
    const listed = listedItem({ type: 'message', role: 'user', content: [file] }, ORIGIN, 0);
    expect(listed.content).toEqual([{ type: 'input_file', filename: 'a.pdf', file_data: 'AA' }]);
  });
});

describe('a page', () => {
  const items = (count: number): ListedItem[] =>
    Array.from({ length: count }, (_, position) =>
      listedItem(kept({ role: 'user', content: `${position}` }), ORIGIN, position),
    );
  const query = (fields: object): ListQuery => validate(listQuery, fields);
  const idAt = (position: number) => itemId('message', ORIGIN, position);

  test('is of twenty, the newest first, unless somebody asks otherwise', () => {
    expect(pageOf(items(21), query({}))).toEqual({
      object: 'list',
      data: items(21).slice(1).reverse(),
      first_id: idAt(20),
      last_id: idAt(1),
      has_more: true,
    });
  });

  test.each([
    ['asc', undefined, [0, 1], true],
    ['asc', 1, [2, 3], true],
    ['asc', 2, [3, 4], false],
    ['asc', 4, [], false],
    ['desc', undefined, [4, 3], true],
    ['desc', 3, [2, 1], true],
    ['desc', 2, [1, 0], false],
    ['desc', 0, [], false],
  ] as const)('%s, two after %s of five', (order, after, positions, has_more) => {
    const page = pageOf(items(5), query({ order, limit: 2, ...(after === undefined ? {} : { after: idAt(after) }) }));
    expect(page).toEqual({
      object: 'list',
      data: positions.map((position) => items(5)[position]),
      first_id: positions[0] === undefined ? null : idAt(positions[0]),
      last_id: positions[1] === undefined ? null : idAt(positions[1]),
      has_more,
    });
  });

  test('after what is not there is none', () => {
    expect(pageOf(items(5), query({ after: idAt(5) }))).toBeUndefined();
    expect(pageOf(items(5), query({ after: '' }))).toBeUndefined();
    expect(pageOf([], query({ after: idAt(0) }))).toBeUndefined();
  });

  test('of nothing is empty', () => {
    expect(pageOf([], query({}))).toEqual({ object: 'list', data: [], first_id: null, last_id: null, has_more: false });
  });

  test('after page comes every item once, in order', () => {
    const limits = fc.integer({ min: 1, max: 100 });
    fc.assert(
      fc.property(fc.nat(130), limits, fc.constantFrom('asc' as const, 'desc' as const), (count, limit, order) => {
        const all = items(count);
        const seen: unknown[] = [];
        let after: string | undefined;
        for (let pages = 0; ; pages += 1) {
          expect(pages).toBeLessThanOrEqual(count);
          const page = pageOf(all, query({ limit, order, ...(after === undefined ? {} : { after }) }));
          if (!page) throw new Error('the item is there');
          expect(listPage.parse(page)).toEqual(page);
          expect(page.data.length).toBeLessThanOrEqual(limit);
          expect([page.first_id, page.last_id]).toEqual([page.data.at(0)?.id ?? null, page.data.at(-1)?.id ?? null]);
          seen.push(...page.data);
          if (!page.has_more) break;
          after = page.last_id ?? undefined;
        }
        expect(seen).toEqual(order === 'asc' ? all : all.toReversed());
      }),
      { numRuns: 60 },
    );
  });
});

describe('the query of a list', () => {
  test('is text, as it stands in a URL', () => {
    expect(validate(listQuery, { limit: '100', order: 'asc', after: 'msg_1', 'include[]': ['x'], other: '1' })).toEqual(
      {
        limit: 100,
        order: 'asc',
        after: 'msg_1',
        'include[]': ['x'],
      },
    );
  });

  test.each([
    ['limit', '0'],
    ['limit', '101'],
    ['limit', '1.5'],
    ['limit', ''],
    ['limit', 'all'],
    ['order', 'up'],
    ['after', ['a', 'b']],
  ])('%s=%j is refused', (param, value) => {
    expect(refusalOf(listQuery, { [param]: value })).toMatchObject({ code: 'invalid_value', param });
  });
});

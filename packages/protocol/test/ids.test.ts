import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  hexOf,
  idempotentResponseId,
  itemId,
  newId,
  parseConversationId,
  parseItemId,
  parseResponseId,
  publicConversationId,
  publicResponseId,
} from '../src/index.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const times = fc.integer({ min: 0, max: 4_000_000_000_000 });

describe('newId', () => {
  test('is a lower-case UUIDv7 that sorts by its time', () => {
    fc.assert(
      fc.property(times, times, (a, b) => {
        expect(newId(a)).toMatch(UUID);
        expect(newId(a)[14]).toBe('7');
        if (a < b) expect(newId(a) < newId(b)).toBe(true);
      }),
    );
  });

  test('is another one each time', () => {
    expect(new Set(Array.from({ length: 1000 }, () => newId(0))).size).toBe(1000);
  });
});

describe('the public id of a response', () => {
  test('is resp_ and its 32 digits, and can be read back', () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        expect(publicResponseId(id)).toBe(`resp_${hexOf(id)}`);
        expect(hexOf(id)).toMatch(/^[0-9a-f]{32}$/);
        expect(parseResponseId(publicResponseId(id))).toBe(id);
      }),
    );
  });

  test.each([
    '',
    'resp_',
    '018f000000007000800000000000000f',
    'msg_018f000000007000800000000000000f',
    'resp_018f000000007000800000000000000',
    'resp_018f000000007000800000000000000ff',
    'resp_018F000000007000800000000000000F',
    'resp_018f0000-0000-7000-8000-00000000000f',
    'resp_018f00000000700080000000000000zz',
    'resp_018f000000007000800000000000000f\n',
    // 32 digits whose version and variant no identity has.
    'resp_00000000000000000000000000000001',
    'resp_ffffffffffffffff0fffffffffffffff',
  ])('is not %j', (text) => {
    expect(parseResponseId(text)).toBeUndefined();
  });

  test('whatever a client sends is read or refused, never an exception', () => {
    const hex = fc.stringMatching(/^[0-9a-f]{32}$/).map((digits) => `resp_${digits}`);
    fc.assert(
      fc.property(fc.oneof(hex, fc.string()), (text) => {
        const id = parseResponseId(text);
        if (id !== undefined) expect(publicResponseId(id)).toBe(text);
      }),
    );
  });
});

describe('the public id of a conversation', () => {
  test('is conv_ and its 32 digits, can be read back, and is not that of a response', () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        expect(publicConversationId(id)).toBe(`conv_${hexOf(id)}`);
        expect(parseConversationId(publicConversationId(id))).toBe(id);
        expect(parseConversationId(publicResponseId(id))).toBeUndefined();
        expect(parseResponseId(publicConversationId(id))).toBeUndefined();
      }),
    );
  });

  test.each(['', 'conv_', 'conv_018F000000007000800000000000000F', 'conv_018f000000007000800000000000000', 'conv_x'])(
    'is not %j',
    (text) => {
      expect(parseConversationId(text)).toBeUndefined();
    },
  );
});

describe('idempotentResponseId', () => {
  const tokens = fc.string({ unit: 'grapheme-ascii' });

  test('is a well-formed id that its owner and key alone decide', () => {
    fc.assert(
      fc.property(tokens, tokens, (owner, key) => {
        const id = idempotentResponseId(owner, key);
        expect(id).toMatch(UUID);
        expect(id[14]).toBe('8');
        expect(idempotentResponseId(owner, key)).toBe(id);
        expect(parseResponseId(publicResponseId(id))).toBe(id);
      }),
    );
  });

  test('differs when either does, also where one begins with the end of the other', () => {
    fc.assert(
      fc.property(fc.tuple(tokens, tokens), fc.tuple(tokens, tokens), (a, b) => {
        fc.pre(a[0] !== b[0] || a[1] !== b[1]);
        expect(idempotentResponseId(...a)).not.toBe(idempotentResponseId(...b));
      }),
    );
    expect(idempotentResponseId('ab', 'c')).not.toBe(idempotentResponseId('a', 'bc'));
  });

  test('stays the same from release to release', () => {
    expect(idempotentResponseId('alice', 'order-1')).toBe('bc7a2827-01c3-8aff-af69-b3f84ce68189');
  });
});

describe('itemId', () => {
  const step = '018f0000-0000-7000-8000-00000000000f';
  test.each([
    ['message', 'msg_018f000000007000800000000000000f0000'],
    ['reasoning', 'rs_018f000000007000800000000000000f0000'],
    ['function_call', 'fc_018f000000007000800000000000000f0000'],
    ['function_call_output', 'fco_018f000000007000800000000000000f0000'],
    ['compaction', 'cmp_018f000000007000800000000000000f0000'],
    ['mcp_list_tools', 'mcpl_018f000000007000800000000000000f0000'],
    ['mcp_call', 'mcp_018f000000007000800000000000000f0000'],
    ['mcp_approval_request', 'mcpr_018f000000007000800000000000000f0000'],
    ['mcp_approval_response', 'mcpa_018f000000007000800000000000000f0000'],
    ['call', 'call_018f000000007000800000000000000f0000'],
  ] as const)('of a %s', (kind, id) => {
    expect(itemId(kind, step, 0)).toBe(id);
  });

  test('is a function of the step and the position, and fits into a call_id', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), fc.nat(100_000), fc.nat(100_000), (a, b, i, j) => {
        expect(itemId('call', a, i)).toBe(itemId('call', a, i));
        expect(itemId('call', a, i) === itemId('call', b, j)).toBe(a === b && i === j);
        expect(itemId('call', a, i).length).toBeLessThanOrEqual(64);
      }),
    );
  });
});

describe('parseItemId', () => {
  const KINDS = [
    'message',
    'reasoning',
    'function_call',
    'function_call_output',
    'compaction',
    'mcp_list_tools',
    'mcp_call',
    'mcp_approval_request',
    'mcp_approval_response',
  ] as const satisfies Parameters<typeof itemId>[0][];
  const kinds = fc.constantFrom(...KINDS);
  const positions = fc.oneof(fc.nat(20), fc.nat(0x1ffff), fc.integer({ min: 0, max: 0xffff_ffff }));

  test('is the inverse of itemId', () => {
    fc.assert(
      fc.property(kinds, fc.uuid(), positions, (kind, origin, position) => {
        expect(parseItemId(itemId(kind, origin, position))).toEqual({ origin, position });
      }),
    );
  });

  test('reads nothing that itemId does not write', () => {
    const hex = (least: number, most: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${least},${most}}$`));
    const alike = fc
      .tuple(
        fc.constantFrom('msg', 'rs', 'fc', 'fco', 'cmp', 'mcp', 'mcpl', 'mcpr', 'mcpa', 'call', 'resp', ''),
        fc.uuid(),
        hex(0, 9),
      )
      .map(([prefix, origin, position]) => `${prefix}_${hexOf(origin)}${position}`);
    fc.assert(
      fc.property(fc.oneof(alike, fc.string()), (text) => {
        const parsed = parseItemId(text);
        if (!parsed) return;
        const written = KINDS.map((kind) => itemId(kind, parsed.origin, parsed.position));
        expect(written).toContain(text);
      }),
    );
  });

  const digits = '018f000000007000800000000000000f';
  test.each([
    ['', 'nothing'],
    ['msg_1', 'an id of somebody else'],
    [`resp_${digits}0000`, 'another prefix'],
    [`call_${digits}0000`, 'the id of a call'],
    [`msg_${digits}`, 'no position'],
    [`msg_${digits}000`, 'a position that is too short'],
    [`msg_${digits}00001`, 'a position with one zero too many'],
    [`msg_${digits}100000000`, 'a position that is too long'],
    [`msg_${digits.toUpperCase()}0000`, 'upper case'],
    [`msg_${digits}0000\n`, 'a line after it'],
    [`msg_${'0'.repeat(31)}10000`, 'digits that are no identity'],
  ])('%j is %s', (text) => {
    expect(parseItemId(text)).toBeUndefined();
  });
});

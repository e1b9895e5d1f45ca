import type { KeptItem } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { ConversationMemory } from '../src/websocket-memory.ts';

const says = (content: string): KeptItem[] => [{ type: 'message', role: 'user', content }];

describe('the memory of a connection', () => {
  test('holds the latest response, and no other', () => {
    const memory = new ConversationMemory(1_000);
    expect(memory.itemsOf('a')).toBeUndefined();
    memory.remember('a', says('one'));
    expect(memory.itemsOf('a')).toEqual(says('one'));
    memory.remember('b', says('two'));
    expect(memory.itemsOf('a')).toBeUndefined();
    expect(memory.itemsOf('b')).toEqual(says('two'));
    expect(memory.itemsOf(null)).toBeUndefined();
  });

  test('forgets what is named, and nothing else', () => {
    const memory = new ConversationMemory(1_000);
    memory.remember('a', says('one'));
    memory.forget('b');
    expect(memory.itemsOf('a')).toEqual(says('one'));
    memory.forget('a');
    expect(memory.itemsOf('a')).toBeUndefined();
  });

  test('takes nothing that is larger than it may be, and lets go of what was there', () => {
    const size = Buffer.byteLength(JSON.stringify(says('öne')[0]));
    const memory = new ConversationMemory(2 * size);
    memory.remember('a', [...says('öne'), ...says('öne')]);
    expect(memory.itemsOf('a')).toHaveLength(2);
    memory.remember('b', [...says('öne'), ...says('öne'), ...says('')]);
    expect(memory.itemsOf('a')).toBeUndefined();
    expect(memory.itemsOf('b')).toBeUndefined();
  });
});

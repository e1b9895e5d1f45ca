import { describe, expect, test } from 'vitest';
import { PayloadRoom } from '../src/index.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;

/** Enters in turn, and notes who is in. */
function visitors(room: PayloadRoom) {
  const inside = new Map<string, () => void>();
  return {
    names: () => [...inside.keys()],
    async come(name: string, bytes: number, signal = never) {
      const leave = await room.enter(bytes, signal);
      inside.set(name, leave);
    },
    leave(name: string) {
      inside.get(name)?.();
      inside.delete(name);
    },
  };
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test('a room is full when so many wait that more are better off elsewhere', async () => {
  const room = new PayloadRoom(MIB);
  const leave = await room.enter(MIB, never);
  const waiting: Promise<() => void>[] = [];
  while (!room.full && waiting.length < 1_000) waiting.push(room.enter(MIB, never));
  expect(waiting.length).toBe(16);
  leave();
  expect(room.full).toBe(false);
  for (const each of waiting) (await each)();
  expect(room.held).toBe(0);
});

describe('large messages', () => {
  test('are in together as far as they fit, and then in the order in which they came', async () => {
    const room = new PayloadRoom(4 * MIB);
    const { come, leave, names } = visitors(room);
    await come('a', 2 * MIB);
    await come('b', 2 * MIB);
    const rest = [come('c', 3 * MIB), come('d', MIB), come('e', MIB)];
    await settle();
    expect([names(), room.held]).toEqual([['a', 'b'], 4 * MIB]);
    leave('a');
    await settle();
    expect(names(), 'd would fit, but c was there before').toEqual(['b']);
    leave('b');
    await settle();
    expect([names(), room.held]).toEqual([['c', 'd'], 4 * MIB]);
    leave('d');
    await Promise.all(rest);
    expect(names()).toEqual(['c', 'e']);
  });

  test('larger than all the room go alone', async () => {
    const room = new PayloadRoom(4 * MIB);
    const { come, leave, names } = visitors(room);
    await come('small enough', MIB);
    const rest = [come('too large', 32 * MIB), come('next', MIB)];
    await settle();
    expect(names()).toEqual(['small enough']);
    leave('small enough');
    await settle();
    expect(names()).toEqual(['too large']);
    leave('too large');
    await Promise.all(rest);
    expect([names(), room.held]).toEqual([['next'], MIB]);
  });

  test('that are not waited for any more let those behind them in', async () => {
    const room = new PayloadRoom(4 * MIB);
    const { come, names } = visitors(room);
    await come('a', 2 * MIB);
    const given = new AbortController();
    const up = expect(come('b', 4 * MIB, given.signal)).rejects.toBe('enough');
    const behind = come('c', MIB);
    given.abort('enough');
    await Promise.all([up, behind]);
    expect([names(), room.held]).toEqual([['a', 'c'], 3 * MIB]);
    await expect(come('d', MIB, given.signal)).rejects.toBe('enough');
  });

  test('leave once, and whoever wants to hears that there is room', async () => {
    const room = new PayloadRoom(MIB);
    let heard = 0;
    const stop = room.onRoom(() => {
      heard += 1;
    });
    const leave = await room.enter(MIB, never);
    leave();
    leave();
    expect([room.held, heard]).toEqual([0, 1]);
    stop();
    (await room.enter(MIB, never))();
    expect(heard).toBe(1);
  });
});

test('small messages neither wait nor count', async () => {
  const room = new PayloadRoom(MIB);
  await room.enter(MIB, never);
  const behind = room.enter(MIB, AbortSignal.timeout(60_000));
  for (let count = 0; count < 1_000; count += 1) await room.enter(64 * 1024, never);
  expect(room.held).toBe(MIB);
  expect(await Promise.race([behind, settle()])).toBeUndefined();
});

describe('what grows', () => {
  test('is waited for by messages, and waits for nobody', async () => {
    const room = new PayloadRoom(4 * MIB);
    const { come, leave, names } = visitors(room);
    const output = room.grow();
    await come('a', MIB);
    output.add(2 * MIB);
    const rest = [come('b', 2 * MIB)];
    await settle();
    expect([names(), room.held]).toEqual([['a'], 3 * MIB]);
    output.add(3 * MIB);
    expect(room.held).toBe(6 * MIB);
    output.end();
    await Promise.all(rest);
    expect([names(), room.held]).toEqual([['a', 'b'], 3 * MIB]);
    output.end();
    leave('a');
    leave('b');
    expect(room.held).toBe(0);
  });

  test('keeps out no message that is alone', async () => {
    const room = new PayloadRoom(MIB);
    room.grow().add(8 * MIB);
    const leave = await room.enter(2 * MIB, never);
    expect(room.held).toBe(10 * MIB);
    leave();
    expect(room.held).toBe(8 * MIB);
  });

  test('does not count while it is small, and is counted in all when it is large', () => {
    const room = new PayloadRoom(MIB);
    const output = room.grow();
    for (let i = 0; i < 64; i += 1) output.add(1_024);
    expect(room.held).toBe(0);
    output.add(1_024);
    expect(room.held).toBe(65 * 1_024);
    output.end();
    expect(room.held).toBe(0);
  });
});

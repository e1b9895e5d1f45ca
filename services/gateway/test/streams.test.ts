import { describe, expect, test } from 'vitest';
import { OpenStreams } from '../src/streams.ts';

describe('a drain', () => {
  test('is over at once where nothing is open', async () => {
    await new OpenStreams().drain(60_000);
  });

  test('waits for the end of everything that is open, and cuts nothing that ends in time', async () => {
    const streams = new OpenStreams();
    const cut: string[] = [];
    const first = streams.enter(() => cut.push('first'));
    const second = streams.enter(() => cut.push('second'));
    expect(streams.size).toBe(2);
    const order: string[] = [];
    const drained = streams.drain(60_000).then(() => order.push('drained'));
    first();
    await Promise.resolve();
    order.push('second ends');
    second();
    await drained;
    expect(order).toEqual(['second ends', 'drained']);
    expect({ cut, size: streams.size }).toEqual({ cut: [], size: 0 });
  });

  test('cuts what takes longer, and waits until it is over', async () => {
    const streams = new OpenStreams();
    const finished = streams.enter(() => finished());
    await streams.drain(1);
    expect(streams.size).toBe(0);
  });

  test('tells what has no end of its own to find one', async () => {
    const streams = new OpenStreams();
    const told: string[] = [];
    const finished = streams.enter(
      () => told.push('cut'),
      () => {
        told.push('drain');
        finished();
      },
    );
    await streams.drain(60_000);
    expect({ told, size: streams.size }).toEqual({ told: ['drain'], size: 0 });
  });
});

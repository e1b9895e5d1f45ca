import { RegistryView } from '@tailrace/registry';
import { registeredAgentTool, registeredHttpTool, registeredMcpTool } from '@tailrace/registry/fixtures';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RateCleaner } from '../src/rate-cleaner.ts';

const EVERY_MS = 1_000;
const TOOLS = [
  registeredHttpTool('limited', { callsPerMinute: 5 }),
  registeredHttpTool('unlimited'),
  registeredMcpTool('wiki', 'http://127.0.0.1/', { callsPerMinute: 5 }),
  registeredAgentTool('agent', 'model', { callsPerMinute: 5 }),
];
const viewOf = (tools: typeof TOOLS) => new RegistryView({ keys: [], groups: [], models: [], tools });

let view: RegistryView | undefined;
/** What is left after each look, or why it failed. */
let outcomes: (number | Error)[];
let looks: string[][];
let errors: unknown[];
let cleaner: RateCleaner;

beforeEach(() => {
  vi.useFakeTimers();
  [view, outcomes, looks, errors] = [undefined, [], [], []];
  cleaner = new RateCleaner({
    streams: {
      async removeUnused(limited) {
        looks.push([...limited()]);
        const outcome = outcomes.shift() ?? 0;
        if (outcome instanceof Error) throw outcome;
        return outcome;
      },
    },
    registry: () => view,
    everyMs: EVERY_MS,
    onError: (error) => errors.push(error),
  });
});
afterEach(async () => {
  await cleaner.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const looksAfter = async (times: number) => {
  await vi.advanceTimersByTimeAsync(times * EVERY_MS);
  return looks.length;
};

test('while there is no registry, nothing is removed', async () => {
  expect(await looksAfter(5)).toBe(0);
});

test('each registry is held against the streams once', async () => {
  view = viewOf(TOOLS);
  expect(await looksAfter(5)).toBe(1);
  view = viewOf(TOOLS.slice(1));
  expect(await looksAfter(5)).toBe(2);
  // Agents are no calls.
  expect(looks).toEqual([['limited', 'wiki'], ['wiki']]);
});

test('what could not be removed yet is looked at again', async () => {
  view = viewOf(TOOLS);
  outcomes = [2, 1, 0];
  expect(await looksAfter(6)).toBe(3);
});

test('a failure is told, and it is tried again', async () => {
  view = viewOf(TOOLS);
  const failure = new Error('nobody there');
  outcomes = [failure];
  expect(await looksAfter(4)).toBe(2);
  expect(errors).toEqual([failure]);
});

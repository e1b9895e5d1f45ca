import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cancel,
  hasEnded,
  isTerminal,
  liveCalls,
  type ModelResult,
  nextAction,
  recordOutcome,
  type Scope,
  type Step,
  stepsBelow,
  stepsOf,
  usageOf,
} from '../src/index.ts';
import { agents, everyWorld, isRun, lastOf, models, scopes, tools } from './every-world.ts';
import { CLIENT_TOOL } from './offers.ts';
import { checkOf, type Moment, play } from './play.ts';
import { worlds } from './world.ts';

/** The calls that a scope's models have made, as far as a server can run them, each of its steps with them. */
const stepsOfCalls = (chain: readonly Step[], scope: Scope) =>
  tools(stepsOf(chain, scope)).filter(
    ({ request: { mcp } }) => mcp?.do !== 'list' && !(mcp?.do === 'call' && mcp.approval !== null),
  );

/** Whether the time of an agent was up, or of one that it works for. */
const isLate = (chain: readonly Step[], scope: Scope): boolean => {
  const opener = chain.find((step) => step.id === scope);
  if (!opener) return false;
  const { outcome } = opener;
  return (outcome.state === 'failed' && outcome.error.code === 'tool_timeout') || isLate(chain, opener.parentStepId);
};

const depthOf = (chain: readonly Step[], scope: Scope): number => {
  const opener = chain.find((step) => step.id === scope);
  return opener ? 1 + depthOf(chain, opener.parentStepId) : 0;
};

test('worlds are deep and wide enough to prove something', () => {
  const ends = fc.sample(worlds, { seed: 1, numRuns: 3_000 }).map((world) => play(world));
  const depths = ends.map(lastOf).flatMap(({ chain }) => scopes(chain).map((scope) => depthOf(chain, scope)));
  expect(Math.max(...depths)).toBeGreaterThanOrEqual(3);
  const atOnce = ends.flat().flatMap(({ chain }) => {
    const open = agents(chain).filter((step) => !isTerminal(step) && step.parentStepId !== null);
    return scopes(chain).map((scope) => open.filter((step) => step.parentStepId === scope).length);
  });
  expect(atOnce.reduce((most, count) => Math.max(most, count), 0)).toBeGreaterThanOrEqual(2);
});

describe('the loop, in any world', () => {
  test('comes to an end within its caps, with every step ended', () => {
    everyWorld((moments, world) => {
      const { record, chain } = lastOf(moments);
      expect(hasEnded(record)).toBe(true);
      expect(moments.slice(0, -1).some((moment) => hasEnded(moment.record))).toBe(false);
      expect(chain.every(isTerminal)).toBe(true);
      for (const scope of scopes(chain)) {
        const run = stepsBelow(chain, scope).filter(isRun).length;
        const [iterations, calls] =
          scope === null
            ? [world.maxIterations, world.body.max_tool_calls]
            : [world.offers.maxIterations, world.offers.maxToolCalls];
        expect(models(stepsOf(chain, scope)).length).toBeLessThanOrEqual(iterations);
        expect(run).toBeLessThanOrEqual(calls ?? Number.POSITIVE_INFINITY);
        expect(depthOf(chain, scope)).toBeLessThanOrEqual(world.offers.maxDepth);
      }
    });
  });

  test('every call that stands and is not the client’s has one step, in the order of the calls, and no other has', () => {
    everyWorld((moments) => {
      const { chain } = lastOf(moments);
      for (const scope of scopes(chain)) {
        const expected = models(stepsOf(chain, scope)).flatMap(({ outcome }) => {
          if (outcome.state !== 'completed') return [];
          return liveCalls(outcome.result).filter((call) => scope !== null || call.name !== CLIENT_TOOL);
        });
        const made = stepsOfCalls(chain, scope);
        // Of an agent whose time is up nothing more begins: its last model call is not followed by anything.
        const count = isLate(chain, scope) ? made.length : expected.length;
        expect(made.map(({ request: { tool, call_id, arguments: text } }) => [tool, call_id, text])).toEqual(
          expected.slice(0, count).map((call) => [call.name, call.call_id, call.arguments]),
        );
      }
    });
  });

  test('a model is called again only after every call of the one before, and never when it is the client’s turn', () => {
    everyWorld((moments) => {
      const { chain } = lastOf(moments);
      for (const scope of scopes(chain)) {
        const steps = stepsOf(chain, scope);
        for (const [position, step] of models(steps).slice(0, -1).entries()) {
          const next = models(steps)[position + 1];
          const between = tools(steps).filter(
            (tool) => tool.sequence > step.sequence && tool.sequence < (next?.sequence ?? 0),
          );
          expect(between.length).toBeGreaterThan(0);
          for (const tool of between) {
            expect(tool.endedEntry).toBeLessThanOrEqual(next?.addedEntry ?? 0);
            expect(tool.request.mcp?.do).not.toBe('ask');
          }
          if (step.outcome.state !== 'completed') throw new Error('only a completed model call is followed by another');
          expect(liveCalls(step.outcome.result).length).toBe(between.length);
        }
      }
    });
  });

  test('the steps of each scope form one line, and the numbers of all rise without a gap', () => {
    everyWorld((moments) => {
      const { chain } = lastOf(moments);
      for (const scope of scopes(chain)) {
        const steps = stepsOf(chain, scope);
        expect(steps.map((step) => step.prevStepId)).toEqual([null, ...steps.slice(0, -1).map((step) => step.id)]);
      }
      expect(chain.map((step) => step.sequence)).toEqual(chain.map((_, index) => index + 1));
      expect(new Set(chain.map((step) => `${step.parentStepId} ${step.prevStepId}`)).size).toBe(chain.length);
      expect(scopes(chain).reduce((sum, scope) => sum + stepsOf(chain, scope).length, 0)).toBe(chain.length);
    });
  });

  test('what has ended never changes, and an entry tells what it changes and adds', () => {
    everyWorld((moments) => {
      for (const [index, moment] of moments.slice(0, -1).entries()) {
        const next = moments[index + 1];
        if (!next) throw new Error('there is one more');
        const before = new Map(moment.chain.map((step) => [step.id, step]));
        expect(next.added).toEqual(next.chain.filter((step) => !before.has(step.id)));
        expect(next.changed).toEqual(
          next.chain.filter(
            (step) => before.has(step.id) && JSON.stringify(before.get(step.id)) !== JSON.stringify(step),
          ),
        );
        for (const step of next.changed) {
          expect(isTerminal(step)).toBe(true);
          expect(before.get(step.id)).toMatchObject({ endedEntry: null, endedAt: null });
        }
      }
    });
  });

  test('a resume from what was stored decides as the first run did', () => {
    everyWorld((moments) => {
      for (const [index, moment] of moments.entries()) {
        const { record, chain, added, changed } = moment;
        const before = moments[index - 1];
        const stored = JSON.parse(
          JSON.stringify({ record: before?.record ?? record, chain: before?.chain ?? [] }),
        ) as Moment;
        const again = moment.redo(stored.record, stored.chain.toReversed());
        expect(again).toMatchObject({ record, chain, added, changed });
      }
    });
  });

  test('in every scope that is open there is something to wait for, and nothing else to do', () => {
    everyWorld((moments, world) => {
      for (const { record, chain } of moments) {
        const open = agents(chain).filter((step) => !isTerminal(step));
        const actions = [null, ...open.map((step) => step.id)].map((scope) => {
          return nextAction(record.request, chain, scope, checkOf(world)).type;
        });
        if (hasEnded(record)) expect(open).toEqual([]);
        else expect(new Set(actions)).toEqual(new Set(['wait']));
      }
    });
  });

  test('the tokens of all depths are counted', () => {
    everyWorld((moments) => {
      const { chain } = lastOf(moments);
      const spent = models(chain).map(
        ({ outcome }) => ('result' in outcome && outcome.result?.usage?.output_tokens) || 0,
      );
      expect(usageOf(chain).output_tokens).toBe(spent.reduce((sum, each) => sum + each, 0));
    });
  });

  test('cancelling, at any moment, ends whatever is open and nothing else', () => {
    const result: ModelResult = { items: [], finish: 'stop', usage: null };
    everyWorld((moments, world) => {
      const context = { now: 0, newId: () => 'none', overdue: new Set<string>(), checkArguments: checkOf(world) };
      for (const { record, chain } of moments) {
        const open = chain.filter((step) => !isTerminal(step));
        const partial = new Map(open.map((step) => [step.id, result]));
        const cancelled = cancel(record, chain, { partial, nextEvent: record.nextEvent }, record.createdAt + 9);
        if (hasEnded(record)) {
          expect(cancelled).toBeNull();
          continue;
        }
        if (!cancelled) throw new Error('a response that runs can be cancelled');
        expect(cancelled.record).toMatchObject({ status: 'cancelled', entries: record.entries + 1, error: null });
        expect(cancelled.added).toEqual([]);
        expect(cancelled.changed.map((step) => step.id)).toEqual(open.map((step) => step.id));
        expect(cancelled.chain.filter((step) => !open.some(({ id }) => id === step.id))).toEqual(
          chain.filter(isTerminal),
        );
        for (const step of cancelled.changed) {
          const left = step.kind === 'model_call' ? result : null;
          expect(step.outcome).toEqual({ state: 'canceled', result: left });
          expect(cancelled.chain).toContainEqual(step);
        }
        const after = nextAction(record.request, cancelled.chain, null, checkOf(world));
        expect(after).toEqual({ type: 'incomplete', reason: 'cancelled' });
        expect(cancel(cancelled.record, cancelled.chain, { partial, nextEvent: 0 }, 0)).toBeNull();
        for (const step of open) {
          const report = { stepId: step.id, attempt: 1, startedAt: 0 };
          const late =
            step.kind === 'tool_call'
              ? { ...report, kind: step.kind, outcome: { result: { output: 'late' } } }
              : { ...report, kind: step.kind, result, error: null, nextEvent: 9, events: 0 };
          expect(recordOutcome(cancelled.record, cancelled.chain, late, context)).toBeNull();
        }
      }
    });
  });
});

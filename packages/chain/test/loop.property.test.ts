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
  type Step,
  stepsOf,
} from '../src/index.ts';
import { CLIENT_TOOL } from './answers.ts';
import { type Moment, play, requestOf, type World, worlds } from './world.ts';

const RUNS = { numRuns: 400 };

function everyWorld(check: (moments: Moment[], world: World) => void): void {
  fc.assert(
    fc.property(worlds, (world) => check(play(world), world)),
    RUNS,
  );
}

const lastOf = (moments: Moment[]): Moment => {
  const last = moments.at(-1);
  if (!last) throw new Error('a played world has moments');
  return last;
};

const models = (chain: readonly Step[]) => chain.filter((step) => step.kind === 'model_call');
const tools = (chain: readonly Step[]) => chain.filter((step) => step.kind === 'tool_call');

describe('the loop, in any world', () => {
  test('comes to an end within its caps, with every step ended', () => {
    everyWorld((moments, world) => {
      const { record, chain } = lastOf(moments);
      expect(hasEnded(record)).toBe(true);
      expect(moments.slice(0, -1).some((moment) => hasEnded(moment.record))).toBe(false);
      expect(chain.every(isTerminal)).toBe(true);
      expect(models(chain).length).toBeLessThanOrEqual(world.maxIterations);
      const run = tools(chain).filter(
        ({ outcome }) =>
          outcome.state !== 'failed' || !['max_tool_calls_exceeded', 'tool_not_found'].includes(outcome.error.code),
      );
      expect(run.length).toBeLessThanOrEqual(world.body.max_tool_calls ?? Number.POSITIVE_INFINITY);
    });
  });

  test('every call that stands and is not the client’s has one step, in the order of the calls, and no other has', () => {
    everyWorld((moments) => {
      const { chain } = lastOf(moments);
      const expected = models(chain).flatMap(({ outcome }) => {
        if (outcome.state !== 'completed') return [];
        return liveCalls(outcome.result).filter((call) => call.name !== CLIENT_TOOL);
      });
      expect(tools(chain).map((step) => step.request)).toEqual(
        expected.map((call) => ({ tool: call.name, call_id: call.call_id, arguments: call.arguments })),
      );
    });
  });

  test('a model is called again only after every call of the one before, and never after calls of the client', () => {
    everyWorld((moments) => {
      const { chain } = lastOf(moments);
      for (const [position, step] of models(chain).slice(0, -1).entries()) {
        const next = models(chain)[position + 1];
        const between = tools(chain).filter(
          (tool) => tool.sequence > step.sequence && tool.sequence < (next?.sequence ?? 0),
        );
        expect(between.length).toBeGreaterThan(0);
        for (const tool of between) expect(tool.endedEntry).toBeLessThanOrEqual(next?.addedEntry ?? 0);
        if (step.outcome.state !== 'completed') throw new Error('only a completed model call is followed by another');
        expect(liveCalls(step.outcome.result).length).toBe(between.length);
      }
    });
  });

  test('the steps of a scope form one line, and their numbers rise without a gap', () => {
    everyWorld((moments) => {
      const steps = stepsOf(lastOf(moments).chain, null);
      expect(steps.map((step) => step.prevStepId)).toEqual([null, ...steps.slice(0, -1).map((step) => step.id)]);
      expect(steps.map((step) => step.sequence)).toEqual(steps.map((_, index) => index + 1));
    });
  });

  test('what has ended never changes', () => {
    everyWorld((moments) => {
      for (const [index, moment] of moments.slice(0, -1).entries()) {
        const later = new Map(moments[index + 1]?.chain.map((step) => [step.id, step]));
        for (const step of moment.chain.filter(isTerminal)) expect(later.get(step.id)).toEqual(step);
      }
    });
  });

  test('a resume from what was stored decides as the first run did', () => {
    everyWorld((moments, world) => {
      for (const { chain, record, added } of moments) {
        let count = chain.length - added.length;
        for (;;) {
          const seen = chain.slice(0, count);
          const stored = JSON.parse(JSON.stringify(seen)).reverse() as Step[];
          const action = nextAction(requestOf(world), stored, null);
          expect(nextAction(record.request, seen, null)).toEqual(action);
          if (action.type !== 'append') {
            expect(action.type === 'wait').toBe(!hasEnded(record));
            break;
          }
          expect(action.steps.length).toBeGreaterThan(0);
          const made = chain.slice(count, count + action.steps.length);
          expect(made.map(({ kind, request }) => ({ kind, request }))).toEqual(
            action.steps.map(({ kind, request }) => ({ kind, request })),
          );
          count += action.steps.length;
        }
        expect(count).toBe(chain.length);
      }
    });
  });

  test('cancelling, at any moment, ends whatever is open and nothing else', () => {
    const result: ModelResult = { items: [], finish: 'stop', usage: null };
    everyWorld((moments) => {
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
        expect(nextAction(record.request, cancelled.chain, null)).toEqual({ type: 'incomplete', reason: 'cancelled' });
        expect(cancel(cancelled.record, cancelled.chain, { partial, nextEvent: 0 }, 0)).toBeNull();
      }
    });
  });

  test('the same report, or one that comes after the end, changes nothing', () => {
    everyWorld((moments) => {
      const context = { now: 1, newId: () => 'never used' };
      for (const { record, chain } of moments) {
        for (const step of chain.filter(isTerminal)) {
          const report = { stepId: step.id, attempt: 2, startedAt: 0 };
          expect(
            step.kind === 'tool_call'
              ? recordOutcome(
                  record,
                  chain,
                  { ...report, kind: step.kind, outcome: { result: { output: 'x' } } },
                  context,
                )
              : recordOutcome(
                  record,
                  chain,
                  { ...report, kind: step.kind, result: null, error: null, nextEvent: 9 },
                  context,
                ),
          ).toBeNull();
        }
      }
    });
  });
});

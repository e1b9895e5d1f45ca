import { EVENT_SCHEMAS, foldEvents, responseResource, TERMINAL_EVENTS } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assemble, project } from '../src/index.ts';
import { lastOf } from './every-world.ts';
import { assembledOutput, entryEvents, logOf, played, replayed } from './logs.ts';

const RUNS = { numRuns: 200 };

describe('the projection, in any world', () => {
  test('is the same entry by entry and in chunks of any size', () => {
    fc.assert(
      fc.property(played, fc.nat(), fc.nat(), (moments, a, b) => {
        const from = a % moments.length;
        const to = from + (b % (moments.length - from));
        const { record, chain } = moments[to] ?? lastOf(moments);
        expect(project(record, chain, from)).toEqual(moments.slice(from, to + 1).flatMap(entryEvents));
        expect(project(record, chain, record.entries)).toEqual([]);
      }),
      RUNS,
    );
  });

  test('ends the log with its only terminal event, which is there as soon as the response has ended', () => {
    fc.assert(
      fc.property(played, (moments) => {
        const types = logOf(moments).map((event) => event.type);
        expect(types.filter((type) => TERMINAL_EVENTS.has(type))).toEqual(types.slice(-1));
        const { status } = lastOf(moments).record;
        expect(types.at(-1)).toBe(status === 'cancelled' ? 'response.incomplete' : `response.${status}`);
        expect(logOf(moments.slice(0, -1)).some((event) => TERMINAL_EVENTS.has(event.type))).toBe(false);
      }),
      RUNS,
    );
  });

  test('begins as the specification says', () => {
    fc.assert(
      fc.property(played, (moments) => {
        const { background } = lastOf(moments).record.request.body;
        const types = logOf(moments).map((event) => event.type);
        const opening = ['response.created', ...(background ? ['response.queued'] : []), 'response.in_progress'];
        expect(types.slice(0, opening.length)).toEqual(opening);
        expect(types.slice(opening.length).some((type) => opening.includes(type))).toBe(false);
      }),
      RUNS,
    );
  });

  test('folds, after every entry, to what the chain assembles to (I3)', () => {
    fc.assert(
      fc.property(played, (moments) => {
        moments.forEach(({ record, chain }, index) => {
          expect(foldEvents(logOf(moments.slice(0, index + 1)))).toStrictEqual(assemble(record, chain));
        });
      }),
      RUNS,
    );
  });

  test('carries in its terminal event what the fold has built from the others', () => {
    fc.assert(
      fc.property(played, (moments) => {
        const log = logOf(moments);
        const last = log.at(-1);
        if (!last || !('response' in last)) throw new Error('the last event is the terminal one');
        expect(foldEvents(log.slice(0, -1)).output).toStrictEqual(last.response.output);
        expect(foldEvents(log)).toStrictEqual(last.response);
      }),
      RUNS,
    );
  });

  test('counts its events: nextEvent is where the log ends', () => {
    fc.assert(
      fc.property(played, (moments) => {
        moments.forEach(({ record }, index) => {
          expect(record.nextEvent).toBe(logOf(moments.slice(0, index + 1)).length);
        });
      }),
      RUNS,
    );
  });

  test('of a lost log folds to the same, at every moment', () => {
    fc.assert(
      fc.property(played, (moments) => {
        for (const moment of moments) {
          expect(foldEvents(replayed(moment))).toStrictEqual(assemble(moment.record, moment.chain));
        }
      }),
      RUNS,
    );
  });

  test('says nothing that its schemas do not know', () => {
    fc.assert(
      fc.property(played, (moments) => {
        for (const event of [...logOf(moments), ...replayed(lastOf(moments))]) {
          expect(EVENT_SCHEMAS[event.type].parse(event)).toStrictEqual(event);
        }
        for (const { record, chain } of moments) {
          const response = assemble(record, chain);
          expect(responseResource.parse(response)).toStrictEqual(response);
        }
      }),
      RUNS,
    );
  });

  test('begins every item once, and ends it once, before the response ends', () => {
    fc.assert(
      fc.property(played, (moments) => {
        const count = assembledOutput(moments).length;
        for (const log of [logOf(moments), replayed(lastOf(moments))]) {
          const indexes = (type: 'response.output_item.added' | 'response.output_item.done') =>
            log.flatMap((event) => (event.type === type ? [event.output_index] : []));
          const each = Array.from({ length: count }, (_, index) => index);
          expect(indexes('response.output_item.added')).toEqual(each);
          expect(indexes('response.output_item.done').toSorted((a, b) => a - b)).toEqual(each);
        }
        expect(assembledOutput(moments).filter((item) => 'status' in item && item.status === 'in_progress')).toEqual(
          [],
        );
      }),
      RUNS,
    );
  });

  test('ends every part that it begins, once, before its item ends', () => {
    fc.assert(
      fc.property(played, (moments) => {
        for (const log of [logOf(moments), replayed(lastOf(moments))]) {
          const open = new Set<string>();
          for (const event of log) {
            const [, kind, end] = /^response\.(content|reasoning_summary)_part\.(added|done)$/.exec(event.type) ?? [];
            if (kind !== undefined) {
              const index =
                'content_index' in event ? event.content_index : 'summary_index' in event && event.summary_index;
              const part = `${kind} ${'item_id' in event && event.item_id} ${index}`;
              expect(open.has(part)).toBe(end === 'done');
              if (end === 'done') open.delete(part);
              else open.add(part);
            }
            if (event.type === 'response.output_item.done') expect([...open]).toEqual([]);
          }
        }
      }),
      RUNS,
    );
  });

  test('tells the reason of a failure right before the end, and no error otherwise', () => {
    fc.assert(
      fc.property(played, (moments) => {
        const { error } = lastOf(moments).record;
        const errors = logOf(moments).flatMap((event, index, log) =>
          event.type === 'error' ? [{ ...event.error, fromEnd: log.length - index }] : [],
        );
        expect(errors).toEqual(error ? [{ ...error, type: expect.any(String), param: null, fromEnd: 2 }] : []);
      }),
      RUNS,
    );
  });

  test('ends what a cancellation cut short as incomplete', () => {
    let cut = 0;
    fc.assert(
      fc.property(played, (moments) => {
        const { record, chain, changed } = lastOf(moments);
        fc.pre(record.status === 'cancelled');
        const ended = entryEvents(lastOf(moments)).flatMap((event) =>
          event.type === 'response.output_item.done' ? [event.item] : [],
        );
        const tools = changed.filter((step) => step.kind === 'tool_call' && step.parentStepId === null);
        cut += tools.length;
        expect(ended).toMatchObject(
          tools.map(({ request }) => {
            switch ('mcp' in request && request.mcp?.do) {
              case 'list':
                return { type: 'mcp_list_tools', tools: [], error: 'The response was cancelled.' };
              case 'call':
                return { type: 'mcp_call', status: 'incomplete', output: null };
              default:
                return { type: 'function_call_output', status: 'incomplete', output: '' };
            }
          }),
        );
        expect(assemble(record, chain)).toMatchObject({
          status: 'cancelled',
          completed_at: null,
          error: null,
          incomplete_details: null,
        });
      }),
      RUNS,
    );
    expect(cut).toBeGreaterThan(0);
  });
});

import { foldEvents, type OutputItem, publicStepId, type ResponseEvent } from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isScopeStep, outputOf } from '../src/index.ts';
import { lastOf } from './every-world.ts';
import { assembledOutput, logOf, numbered, played, replayed } from './logs.ts';
import { play } from './play.ts';
import { worlds } from './world.ts';

const RUNS = { numRuns: 200 };

describe('the projection of agents and servers, in any world', () => {
  test('shows, to who asks for it, what happens inside agents: the output of each, from its beginning on', () => {
    let agents = 0;
    fc.assert(
      fc.property(worlds, (world) => {
        const moments = play({ ...world, body: { ...world.body, include: ['tailrace.progress'] } });
        moments.forEach(({ record, chain }, index) => {
          for (const log of [logOf(moments.slice(0, index + 1)), replayed({ record, chain })]) {
            const opening = log.slice(0, 1);
            for (const agent of chain.filter(isScopeStep)) {
              agents += 1;
              const inner = log
                .filter((event) => event.type === 'tailrace.progress')
                .filter((event) => {
                  return event.parent_step_id === publicStepId(agent.id);
                });
              const own = numbered([...opening, ...inner.map(({ event }) => event)]);
              expect(foldEvents(own).output).toStrictEqual(outputOf(chain, agent.id).map(({ item }) => item));
              for (const event of inner) expect(event.agent).toBe(agent.request.tool);
            }
          }
        });
      }),
      { numRuns: 150 },
    );
    expect(agents).toBeGreaterThan(0);
  });

  test('shows nothing of agents otherwise, and all the rest as it is', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const worldOf = (include: ['tailrace.progress'] | null) =>
          play({ ...world, cancel: null, body: { ...world.body, include } });
        const [shown, hidden] = [worldOf(['tailrace.progress']), worldOf(null)];
        const rest = logOf(shown).filter((event) => event.type !== 'tailrace.progress');
        const named = ({ type, ...event }: ResponseEvent) => [type, 'item_id' in event && event.item_id];
        expect(rest.map(named)).toEqual(logOf(hidden).map(named));
        expect(assembledOutput(shown)).toEqual(assembledOutput(hidden));
      }),
      RUNS,
    );
  });

  test('tells of a call of an MCP server, and of what the server can do, as OpenAI does', () => {
    const kinds = new Set<string>();
    const expected = (item: OutputItem): string[] => {
      switch (item.type) {
        case 'mcp_list_tools':
          return ['mcp_list_tools.in_progress', `mcp_list_tools.${item.error === null ? 'completed' : 'failed'}`];
        case 'mcp_call':
          return [
            'mcp_call.in_progress',
            ...(item.arguments === '' ? [] : ['mcp_call_arguments.delta']),
            'mcp_call_arguments.done',
            ...(item.status === 'incomplete' ? [] : [`mcp_call.${item.status}`]),
          ];
        default:
          return [];
      }
    };
    fc.assert(
      fc.property(played, (moments) => {
        for (const log of [logOf(moments), replayed(lastOf(moments))]) {
          assembledOutput(moments).forEach((item, index) => {
            if (!item.type.startsWith('mcp_')) return;
            kinds.add(`${item.type} ${'status' in item ? item.status : 'error' in item && item.error !== null}`);
            const own = log.flatMap((event) => {
              return 'output_index' in event && event.output_index === index
                ? [event.type.slice('response.'.length)]
                : [];
            });
            expect(own).toEqual(['output_item.added', ...expected(item), 'output_item.done']);
          });
        }
      }),
      { numRuns: 600 },
    );
    expect(kinds.size).toBe(6);
  });
});

import { describe, expect, test } from 'vitest';
import { isTerminal, type Step, stepsBelow, stepsOf } from '../src/index.ts';
import { agents, everyWorld, isRun, lastOf, models, tools } from './every-world.ts';
import { AGENTS } from './offers.ts';

/** Its time was up before it had come to an end. */
const isBrokenOff = ({ outcome }: Step) => outcome.state === 'failed' && outcome.error.code === 'tool_timeout';

describe('agents and servers, in any world', () => {
  test('an agent is under way from the entry that adds it to the one that ends its scope', () => {
    let answered = 0;
    everyWorld((moments) => {
      const { record, chain } = lastOf(moments);
      for (const agent of agents(chain)) {
        expect(AGENTS).toContain(agent.request.tool);
        const steps = stepsOf(chain, agent.id);
        expect(steps[0]).toMatchObject({ addedEntry: agent.addedEntry });
        expect(agent.startedAt).toBe(agent.createdAt);
        expect(Math.max(...stepsBelow(chain, agent.id).map((step) => step.endedEntry ?? 0))).toBe(agent.endedEntry);
        const last = models(steps).at(-1);
        switch (agent.outcome.state) {
          case 'completed':
            answered += 1;
            expect(last?.outcome).toMatchObject({ state: 'completed' });
            break;
          case 'failed':
            expect(['upstream_timeout', 'max_iterations_exceeded', 'agent_incomplete', 'tool_timeout']).toContain(
              agent.outcome.error.code,
            );
            break;
          default:
            if (agents(chain).some((around) => isBrokenOff(around) && stepsBelow(chain, around.id).includes(agent))) {
              break;
            }
            expect([agent.outcome.state, record.status]).toEqual(['canceled', 'cancelled']);
        }
      }
      for (const moment of moments) {
        for (const agent of agents(moment.chain)) {
          const open = stepsBelow(moment.chain, agent.id).some((step) => !isTerminal(step));
          expect(agent.outcome.state === 'processing').toBe(open);
        }
      }
    });
    expect(answered).toBeGreaterThan(0);
  });

  test('servers are asked first, and once what they say is known not again; approvals are asked of clients alone', () => {
    const seen = { lists: 0, questions: 0, approved: 0 };
    everyWorld((moments, { offers }) => {
      const { chain } = lastOf(moments);
      const told = new Map<string, number>(offers.docs?.remembered ? [['docs', 0]] : []);
      for (const step of tools(chain)) {
        const { mcp } = step.request;
        if (mcp?.do !== 'list') continue;
        seen.lists += 1;
        const first = models(stepsOf(chain, step.parentStepId))[0];
        if (first) expect(step.endedEntry).toBeLessThanOrEqual(first.addedEntry);
        const known = chain.some(
          (each) =>
            each.kind === 'tool_call' &&
            each.request.mcp?.do === 'list' &&
            each.request.mcp.server === mcp.server &&
            each.outcome.state === 'completed' &&
            (each.endedEntry ?? 0) < step.addedEntry,
        );
        expect(known || told.has(mcp.server)).toBe(false);
        if (mcp.server === 'vault') expect(step.parentStepId).not.toBeNull();
      }
      for (const step of tools(chain)) {
        const { mcp } = step.request;
        if (mcp?.do === 'ask') {
          seen.questions += 1;
          expect(step).toMatchObject({
            parentStepId: null,
            endedEntry: step.addedEntry,
            outcome: { state: 'completed' },
          });
        }
        if (mcp?.do !== 'call') continue;
        if (mcp.approval !== null) {
          seen.approved += 1;
          expect(step.addedEntry).toBe(1);
          if (mcp.name === 'drop') expect(step.outcome).toMatchObject({ error: { code: 'tool_not_found' } });
        } else if (isRun(step)) {
          const policy = mcp.server === 'docs' ? offers.docs?.policy : mcp.server === 'vault' ? offers.vault : 'never';
          expect(policy).not.toBe('always');
        }
      }
    });
    expect(Math.min(seen.lists, seen.questions, seen.approved)).toBeGreaterThan(0);
  });

  test('an agent whose time is up begins nothing more, nor does anything below it', () => {
    const seen = { late: 0, canceled: 0 };
    everyWorld((moments, { offers }) => {
      const { chain } = lastOf(moments);
      for (const agent of agents(chain)) {
        const most = offers.timeoutMs ?? Number.POSITIVE_INFINITY;
        for (const step of stepsBelow(chain, agent.id)) {
          expect(step.createdAt - agent.createdAt).toBeLessThanOrEqual(most);
        }
        if (!isBrokenOff(agent)) continue;
        seen.late += 1;
        seen.canceled += stepsBelow(chain, agent.id).filter(({ outcome }) => outcome.state === 'canceled').length;
      }
    }, 600);
    expect(Math.min(seen.late, seen.canceled)).toBeGreaterThan(0);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admit, admits, type Circuit, CLOSED, type Finding, record } from '../src/circuit.ts';
import { Circuits } from '../src/circuits.ts';
import type { ToolKind } from '../src/tool-kind.ts';
import { delivery, never, toolCaller, toolWork } from './steps.ts';

const OPTIONS = { failures: 3, openMs: 1_000 };

describe('a circuit', () => {
  const after = (findings: Finding[], from: Circuit = CLOSED) =>
    findings.reduce((circuit, finding) => record(circuit, finding, 0, OPTIONS), from);

  test('opens after so many failures in a row', () => {
    expect(after(['fails', 'fails'])).toMatchObject({ state: 'closed' });
    expect(after(['fails', 'fails', 'works', 'fails', 'fails'])).toMatchObject({ state: 'closed' });
    expect(after(['fails', 'unknown', 'fails', 'fails'])).toEqual({ state: 'open', until: 1_000 });
  });

  test('lets one call find out, when its time has come', () => {
    const open: Circuit = { state: 'open', until: 1_000 };
    expect(admit(open, 999)).toEqual({ admitted: false, circuit: open });
    const probing = admit(open, 1_000);
    expect(probing).toEqual({ admitted: true, circuit: { state: 'half_open' } });
    expect(admit(probing.circuit, 5_000).admitted).toBe(false);
    expect(record(probing.circuit, 'works', 1_500, OPTIONS)).toEqual(CLOSED);
    expect(record(probing.circuit, 'fails', 1_500, OPTIONS)).toEqual({ state: 'open', until: 2_500 });
    // The next call is the one to find out.
    expect(admit(record(probing.circuit, 'unknown', 1_500, OPTIONS), 1_500).admitted).toBe(true);
  });

  test('says whether it would let a call through, and lets none through by that', () => {
    const open: Circuit = { state: 'open', until: 1_000 };
    expect(admits(CLOSED, 0)).toBe(true);
    expect([999, 1_000].map((now) => admits(open, now))).toEqual([false, true]);
    expect(admits({ state: 'half_open' }, 5_000)).toBe(false);
    const circuits = new Circuits(OPTIONS, () => 0);
    expect([circuits.admits('a'), circuits.admits('a'), circuits.admit('a')]).toEqual([true, true, true]);
  });

  test('hears no more of calls that began before it opened', () => {
    const open: Circuit = { state: 'open', until: 1_000 };
    for (const finding of ['works', 'fails', 'unknown'] as const) {
      expect(record(open, finding, 10, OPTIONS)).toEqual(open);
    }
  });

  test('never stays shut out: whatever happens, a call is admitted again', () => {
    const events = fc.array(
      fc.record({ wait: fc.nat(2_000), finding: fc.constantFrom<Finding>('works', 'fails', 'unknown') }),
    );
    fc.assert(
      fc.property(events, (all) => {
        let now = 0;
        let circuit = CLOSED;
        for (const { wait, finding } of all) {
          now += wait;
          const asked = admit(circuit, now);
          circuit = asked.admitted ? record(asked.circuit, finding, now, OPTIONS) : asked.circuit;
        }
        expect(admit(circuit, now + OPTIONS.openMs).admitted).toBe(true);
      }),
    );
  });
});

test('a tool that fails is left alone, then tried by one call, and called again', async () => {
  let now = 0;
  let status = 500;
  let called = 0;
  const kind: ToolKind = {
    target: (work) => ({
      source: { id: work.tool, callsPerMinute: null },
      timeoutMs: 1_000,
      idempotent: false,
      secrets: [],
      prepare: () => async (call) => {
        called += 1;
        call.answered(status);
        return { output: 'said' };
      },
    }),
    close: async () => undefined,
  };
  const caller = toolCaller([kind], [], { circuits: new Circuits(OPTIONS, () => now), circuitFailures: 3 });
  const call = async (tool = 'sick') => (await caller.run(toolWork(tool, '{}'), delivery(), never)).outcome;
  for (let n = 0; n < 3; n += 1) await call();
  expect(await call()).toEqual({
    error: {
      code: 'tool_circuit_open',
      message: 'This call was not made: the tool has failed 3 times in a row, and is left alone for a while.',
    },
  });
  expect(called).toBe(3);
  status = 200;
  expect(await call('another one')).toEqual({ result: { output: 'said' } });
  now = 1_000;
  expect(await call()).toEqual({ result: { output: 'said' } });
  expect(await call()).toEqual({ result: { output: 'said' } });
  expect(called).toBe(6);
});

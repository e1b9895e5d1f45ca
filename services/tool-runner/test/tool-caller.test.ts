/** What all kinds of tools have in common, told by a kind that does as it is told. */

import { ApiError, errorInfo } from '@tailrace/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Circuits } from '../src/circuits.ts';
import type { PreparedCall, ToolKind } from '../src/tool-kind.ts';
import { delivery, never, STEP_ID, toolCaller, toolWork } from './steps.ts';

const CIRCUIT = { failures: 2, openMs: 1_000 };
const left = { error: { code: 'tool_circuit_open' } };

/** A tool that may be called once a minute or so, and is called so. */
function toolOf(call: PreparedCall, change: { callsPerMinute?: number | null; secrets?: string[] } = {}): ToolKind {
  const { callsPerMinute = 1, secrets = [] } = change;
  return {
    target: (work) => ({
      source: { id: work.tool, callsPerMinute },
      timeoutMs: 1_000,
      idempotent: false,
      secrets,
      prepare: () => call,
    }),
    close: async () => undefined,
  };
}

describe('a call that waits for its rate', () => {
  /** Those who wait for their rate, in order. */
  let waiting: (() => void)[];
  let status: number;
  let called: number;
  let now: number;

  beforeEach(() => {
    waiting = [];
    status = 200;
    called = 0;
    now = 0;
  });

  const kind = toolOf(async (call) => {
    called += 1;
    call.answered(status);
    return { output: 'said' };
  });
  const setUp = () => {
    const circuits = new Circuits(CIRCUIT, () => now);
    const take = (_source: string, _perMinute: number, signal: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        waiting.push(resolve);
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    const caller = toolCaller([kind], [], { circuits, rates: { take } });
    return {
      circuits,
      call: async (signal = never) => (await caller.run(toolWork('sick', '{}'), delivery(), signal)).outcome,
    };
  };
  const fail = (circuits: Circuits) => {
    for (let n = 0; n < CIRCUIT.failures; n += 1) {
      circuits.admit('sick');
      circuits.record('sick', 'fails');
    }
  };

  test('does not begin to while the circuit is open', async () => {
    const { circuits, call } = setUp();
    fail(circuits);
    expect(await call()).toMatchObject(left);
    expect(waiting).toHaveLength(0);
  });

  test('is not made when the circuit has opened meanwhile, and does not count as the one that finds out', async () => {
    const { circuits, call } = setUp();
    const late = call();
    await vi.waitUntil(() => waiting.length === 1);
    fail(circuits);
    now = 500;
    waiting.shift()?.();
    expect(await late).toMatchObject(left);
    expect(called).toBe(0);
    // It is left alone for as long as if nobody had waited.
    expect(circuits.admits('sick')).toBe(false);
    now = 1_000;
    expect(circuits.admits('sick')).toBe(true);
  });

  test('keeps nobody else from finding out how the tool is', async () => {
    const { circuits, call } = setUp();
    fail(circuits);
    now = 1_000;
    const [first, second] = [call(), call()];
    await vi.waitUntil(() => waiting.length === 2);
    // The one that came last is the first to have its turn.
    waiting.pop()?.();
    expect(await second).toEqual({ result: { output: 'said' } });
    waiting.pop()?.();
    expect(await first).toEqual({ result: { output: 'said' } });
  });

  test('and is given up leaves the circuit as it is', async () => {
    const { circuits, call } = setUp();
    fail(circuits);
    now = 1_000;
    const stopping = new AbortController();
    const given = call(stopping.signal);
    await vi.waitUntil(() => waiting.length === 1);
    const reason = new Error('stopping');
    stopping.abort(reason);
    await expect(given).rejects.toBe(reason);
    status = 500;
    const probe = call();
    await vi.waitUntil(() => waiting.length === 2);
    waiting.pop()?.();
    await probe;
    expect(circuits.admits('sick')).toBe(false);
  });
});

describe('the deadline of a call', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('ends with the call, whatever comes of it', async () => {
    let during = 0;
    const outcomes: PreparedCall[] = [
      async () => ({ output: 'said' }),
      async () => {
        throw new ApiError('tool_unreachable', { reason: 'nobody' });
      },
    ];
    for (const outcome of outcomes) {
      const kind = toolOf((call) => {
        during = vi.getTimerCount();
        return outcome(call);
      });
      await toolCaller([kind], []).run(toolWork('quick', '{}'), delivery(), never);
      expect({ during, after: vi.getTimerCount() }).toEqual({ during: 1, after: 0 });
    }
  });

  test('ends the call', async () => {
    let signal = never;
    const kind = toolOf((call) => {
      ({ signal } = call);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    const running = toolCaller([kind], []).run(toolWork('slow', '{}'), delivery(), never);
    await vi.advanceTimersByTimeAsync(999);
    expect(signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
    expect((await running).outcome).toMatchObject({ error: { code: 'tool_timeout' } });
  });
});

describe('what a failed call tells its model', () => {
  const failing = (body: string, errorChars: number, secrets: string[] = []) => {
    const kind = toolOf(
      async () => {
        throw new ApiError('tool_http_error', { status: 500, body });
      },
      { secrets },
    );
    return toolCaller([kind], [], { errorChars }).run(toolWork('sick', '{}'), delivery(), never);
  };

  test('has its bound, and no half of a character', async () => {
    const { outcome } = await failing('no no no', 27);
    expect(outcome).toMatchObject({ error: { message: 'The tool answered 500: no n' } });
    expect((await failing('no', 27)).outcome).toMatchObject({ error: { message: 'The tool answered 500: no' } });
    expect((await failing('no 🙂', 27)).outcome).toMatchObject({ error: { message: 'The tool answered 500: no �' } });
  });

  test('holds no beginning of a secret either', async () => {
    const { outcome } = await failing('I know sk-very-secret.', 36, ['sk-very-secret']);
    expect(outcome).toMatchObject({ error: { message: 'The tool answered 500: I know ***.' } });
  });
});

describe('what nobody has foreseen', () => {
  const bug = new URIError('URI malformed');
  const fails = () => {
    throw bug;
  };
  const target = { source: { id: 'odd', callsPerMinute: null }, timeoutMs: 1_000, idempotent: true, secrets: [] };
  const kinds: [string, ToolKind['target']][] = [
    ['a call is prepared', () => ({ ...target, prepare: fails })],
    ['it is found out what is to be called', fails],
  ];

  test.each(kinds)('while %s fails the call, and is told to the operator', async (_, found) => {
    const told: unknown[] = [];
    const caller = toolCaller([{ target: found, close: async () => undefined }], [], {
      onUnexpected: (error, { stepId }) => told.push({ error, stepId }),
    });
    const made = delivery();
    const { outcome, calls } = await caller.run(toolWork('odd', '{}'), made, never);
    expect(outcome).toEqual({ error: errorInfo('internal_error') });
    expect({ calls, said: made.said, told }).toEqual({ calls: [], said: [], told: [{ error: bug, stepId: STEP_ID }] });
  });

  test('while it is asked whether the call has begun is for another attempt', async () => {
    const lost = new Error('the bus is gone');
    const kind = toolOf(async () => ({ output: 'said' }));
    const again = delivery({ attempt: 2, mayHaveBegun: () => Promise.reject(lost) });
    await expect(toolCaller([kind], []).run(toolWork('odd', '{}'), again, never)).rejects.toBe(lost);
  });
});

test('what may be called again is called only while its attempt has the step, each time', async () => {
  const done: string[] = [];
  const superseded = new Error('the step is recorded');
  const call: PreparedCall = async ({ answered }) => {
    done.push('calls');
    answered(503);
    throw new ApiError('tool_http_error', { status: 503, body: '' });
  };
  const source = { id: 'busy', callsPerMinute: null };
  const target = { source, timeoutMs: 1_000, idempotent: true, secrets: [], prepare: () => call };
  const hold = async () => {
    done.push('holds');
    if (done.length > 2) throw superseded;
  };
  const caller = toolCaller([{ target: () => target, close: async () => undefined }], []);
  await expect(caller.run(toolWork('busy', '{}'), delivery({ hold }), never)).rejects.toBe(superseded);
  expect(done).toEqual(['holds', 'calls', 'holds']);
});

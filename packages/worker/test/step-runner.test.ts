/** What becomes of a step: what is heard of its response, and what must not be done twice. */
import {
  cancelledSubject,
  STEP_HOLD_MS,
  type StepAnswer,
  type StepQuestion,
  type ToolWork,
  WORK_STREAM,
} from '@tailrace/bus';
import { newId } from '@tailrace/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { StepCancelled } from '../src/index.ts';
import { DONE, newSource, type PoolBench, publishStep, startPoolBench, TestRegistry } from './pool-bench.ts';

let bench: PoolBench;
beforeAll(async () => {
  bench = await startPoolBench();
});
afterEach(() => bench.stopPools());
afterAll(() => bench.stop());

const allIsDone = () =>
  eventually('nothing is queued', async () => (await bench.bus.jsm.streams.info(WORK_STREAM)).state.messages === 0);

describe('a response that was heard to be cancelled', () => {
  let ended: boolean;
  let stop: () => void;
  beforeEach(() => {
    ended = false;
    stop = bench.orchestrate(() => ({ begun: false, ended }));
  });
  afterEach(() => stop());

  test('loses what is running; what comes later runs unless its step has ended', async () => {
    const source = newSource();
    const begun: ToolWork[] = [];
    let reason: unknown;
    await bench.pool(new TestRegistry({ source, concurrency: 10 }), async (work, _delivery, signal) => {
      begun.push(work);
      if (begun.length > 1) return DONE;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      reason = signal.reason;
      throw reason;
    });
    const responseId = newId(Date.now());
    const running = await publishStep(bench.bus, source, responseId);
    await eventually('it runs', async () => begun.length === 1);
    bench.bus.nc.publish(cancelledSubject(responseId));
    await allIsDone();
    expect(reason).toBeInstanceOf(StepCancelled);
    ended = true;
    await publishStep(bench.bus, source, responseId);
    await allIsDone();
    expect(begun).toEqual([running]);
    ended = false;
    const anew = await publishStep(bench.bus, source, responseId);
    await allIsDone();
    expect(begun).toEqual([running, anew]);
  });
});

describe('what must not be done twice', () => {
  /** Orchestrators that have committed what they were asked, and read no report. */
  function ledger(): (question: StepQuestion) => StepAnswer {
    const steps = new Map<string, { attempt: number; startedAt: number | undefined }>();
    return ({ stepId, begins, startedAt, once }) => {
      const step = steps.get(stepId) ?? { attempt: 1, startedAt: undefined };
      const begun = step.startedAt !== undefined && !(once && step.startedAt === startedAt);
      if (begins === null || begun) return { begun, ended: false };
      if (begins < step.attempt) return { begun, ended: false, later: step.attempt };
      steps.set(stepId, { attempt: begins, startedAt: once ? startedAt : step.startedAt });
      return { begun, ended: false };
    };
  }

  test('is not, while reports wait: a second attempt knows that the first has begun', async () => {
    const stop = bench.orchestrate(ledger());
    const source = newSource();
    const registry = new TestRegistry({ source, concurrency: 1 });
    const said: string[] = [];
    const killed = await bench.connect('killed');
    await bench.pool(
      registry,
      async (_work, delivery) => {
        await delivery.begin();
        said.push('called');
        return new Promise(() => {});
      },
      killed,
    );
    await publishStep(bench.bus, source);
    await eventually('it is called', async () => said.length === 1);
    await killed.nc.close();
    await bench.pool(registry, async (_work, delivery) => {
      said.push((await delivery.mayHaveBegun()) ? 'may have begun' : 'not begun');
      await expect(delivery.begin()).rejects.toMatchObject({ code: 'tool_interrupted' });
      return DONE;
    });
    await allIsDone();
    expect(said).toEqual(['called', 'may have begun']);
    stop();
  });

  test('is not begun before an orchestrator has answered, nor by an attempt that others come after', async () => {
    const source = newSource();
    const said: unknown[] = [];
    await bench.pool(new TestRegistry({ source, concurrency: 1 }), async ({ stepId }, delivery) => {
      said.push('asks');
      await delivery.begin();
      said.push(stepId);
      return DONE;
    });
    const work = await publishStep(bench.bus, source);
    await eventually('it is to be begun', async () => said.length === 1);
    const stop = bench.orchestrate(ledger());
    await allIsDone();
    expect(said).toEqual(['asks', work.stepId]);
    stop();
    const outdated = bench.orchestrate(() => ({ begun: false, ended: false, later: 101 }));
    await publishStep(bench.bus, source);
    await allIsDone();
    expect(said).toEqual(['asks', work.stepId, 'asks']);
    outdated();
  });
});

describe('what may be done again until it is recorded', () => {
  let said: string[];
  let answers: StepAnswer[];
  let stop: () => void;
  beforeEach(() => {
    said = [];
    answers = [];
    stop = bench.orchestrate((question) => {
      said.push(`asks for ${question.begins}`);
      return answers.shift() ?? { begun: true, ended: false };
    });
  });
  afterEach(() => stop());

  /** Starts runners that do `first`, then hold their step, then call, and gives them an attempt that others came before. */
  async function attempt(second: number, first: () => void = () => undefined) {
    const source = newSource();
    await bench.pool(new TestRegistry({ source, concurrency: 1 }), async (_work, delivery) => {
      first();
      await delivery.hold();
      said.push('calls');
      return DONE;
    });
    await publishStep(bench.bus, source, newId(Date.now()), { attempt: second });
  }

  test('is not begun by an attempt whose step a later message carries on', async () => {
    answers = [{ begun: true, ended: false, later: 101 }];
    await attempt(2);
    await allIsDone();
    expect(said).toEqual(['asks for 2']);
  });

  test('is not begun by a delivery that a later one of the same message has overtaken; that one begins', async () => {
    answers = [{ begun: true, ended: false, later: 3 }];
    await attempt(2);
    await allIsDone();
    expect(said).toEqual(['asks for 2', 'asks for 3', 'calls']);
  });

  test('is not begun while an earlier attempt may still be about to: it is asked again when told to', async () => {
    answers = [{ begun: true, ended: false, wait: 300 }];
    const askedAt = performance.now();
    await attempt(2);
    await allIsDone();
    expect(said).toEqual(['asks for 2', 'asks for 2', 'calls']);
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(300);
  });

  test('is asked about once more when the last answer is old, and not begun when it is recorded meanwhile', async () => {
    const now = vi.spyOn(performance, 'now');
    try {
      answers = [
        { begun: true, ended: false },
        { begun: true, ended: true },
      ];
      await attempt(2, () => {
        const later = performance.now() + STEP_HOLD_MS;
        now.mockImplementation(() => later);
      });
      await allIsDone();
    } finally {
      now.mockRestore();
    }
    expect(said).toEqual(['asks for 2', 'asks for 2']);
  });
});

test.each([
  ['has lain in its queue for a while', 'queue'],
  ['was long on its way into the queue', 'way'],
  ['may have been handed out before', 'again'],
])('what %s is asked about, though it is the first delivery', async (_, where) => {
  const source = newSource();
  const asked: StepQuestion[] = [];
  const ran: string[] = [];
  const stop = bench.orchestrate((question) => {
    asked.push(question);
    return { begun: true, ended: question.stepId === recorded.stepId };
  });
  const begun = Date.now();
  const how = { handedOutAt: where === 'way' ? begun - 10_000 : begun, takeover: where === 'again' };
  const recorded = await publishStep(bench.bus, source, newId(begun), how);
  const open = await publishStep(bench.bus, source, newId(begun), how);
  if (where === 'queue') await eventually('both are old', async () => Date.now() - begun > 500);
  await bench.pool(new TestRegistry({ source, concurrency: 1 }), async ({ stepId }) => {
    ran.push(stepId);
    return DONE;
  });
  await allIsDone();
  expect(ran).toEqual([open.stepId]);
  expect(asked.map(({ stepId, begins }) => [stepId, begins])).toEqual([
    [recorded.stepId, 1],
    [open.stepId, 1],
  ]);
  stop();
});

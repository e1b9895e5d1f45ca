/** The fault suite in short: every kind of fault once, under a workload of every kind of client; and the machine's own parts. */
import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { FAULT_KINDS, schedule, targetsOf } from './machine/faults/index.ts';
import { readCommand } from './machine/options.ts';
import type { ClientView, FaultRecord, ResponseRecord } from './machine/record/index.ts';
import { percentile, recoveryTimes } from './machine/recovery.ts';
import { report } from './machine/report.ts';
import { type RunOutcome, runChaos } from './machine/run.ts';
import { writeRun } from './machine/run-file.ts';
import { startSubject, topologyOf } from './machine/subject.ts';
import { FrameSplitter } from './machine/workload/frames.ts';
import { planResponse, SHAPE_NAMES, type World } from './machine/workload/index.ts';
import { creationRequest, markerOfTry } from './machine/workload/requests.ts';
import { isTriedAgain, pauseMs } from './machine/workload/retries.ts';

const MAIN = fileURLToPath(new URL('./machine/main.ts', import.meta.url));
const SEED = 7;
const RESPONSES = 120;
const SLOTS = 8;
const FAULT_MS = 2_500;
const HEAL_MS = 2_000;
/** The first fault finds responses that run. */
const LEAD_MS = 3_000;
/** What a restart of everything takes beyond its slot: the last faults are to find responses, too. */
const LATE_MS = 14_000;

const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), 'tailrace-machine-'));
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A run as a file, and what the command says of it. */
async function checked(name: string, outcome: RunOutcome): Promise<{ code: number; stdout: string }> {
  const file = join(dir, name);
  await writeRun(file, { ...outcome, facts: { ...outcome.facts, commit: undefined, command: '' } });
  try {
    return { code: 0, ...(await run(process.execPath, [MAIN, '--check', file])) };
  } catch (error) {
    return error as { code: number; stdout: string };
  }
}

test('every kind of fault, once: nothing lost, nothing twice, nothing stuck', { timeout: 180_000 }, async () => {
  const topology = topologyOf({ cluster: false });
  const kinds = FAULT_KINDS.filter((kind) => targetsOf(kind, topology).length > 0);
  const durationMs = SLOTS * (FAULT_MS + HEAL_MS);
  const planned = schedule(SEED, { topology, kinds, durationMs, faultMs: FAULT_MS, healMs: HEAL_MS }).map((fault) => ({
    ...fault,
    at: fault.at + LEAD_MS,
    until: fault.until + LEAD_MS,
  }));
  const subject = await startSubject({ cluster: false });
  let outcome: RunOutcome;
  try {
    outcome = await runChaos(subject, {
      seed: SEED,
      responses: RESPONSES,
      concurrency: RESPONSES,
      spreadMs: LEAD_MS + durationMs + LATE_MS,
      schedule: planned,
      wholeSchedule: true,
      signal: new AbortController().signal,
      log: () => undefined,
    });
  } finally {
    await subject.stop();
  }
  const { record, violations } = outcome;
  const told = report({ ...outcome, facts: { ...outcome.facts, commit: undefined, command: `seed ${SEED}` } });
  expect(violations, told).toEqual([]);
  expect(new Set(record.faults.map(({ kind }) => kind))).toEqual(new Set(kinds));
  const felt = record.faults.filter((fault) => record.responses.some((response) => isStreamedDuring(response, fault)));
  expect(felt.length, told).toBeGreaterThan(kinds.length * 0.75);
  expect(record.responses.length).toBe(RESPONSES);
  expect(record.responses.filter(({ acceptedAt }) => acceptedAt !== null).length, told).toBe(RESPONSES);
  expect(record.responses.flatMap(({ clients }) => clients).filter(({ attaches }) => attaches.length > 1)).not.toEqual(
    [],
  );

  const sound = await checked('sound.jsonl', outcome);
  expect(sound).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing was broken.') });
  const [index, view] = longestView(record.responses);
  view.frames.splice(3, 1);
  const broken = await checked('broken.jsonl', outcome);
  expect(broken).toMatchObject({ code: 1, stdout: expect.stringContaining(`response ${index} `) });
});

/** Whether a response had begun before a fault was healed, and was still streamed when the fault had begun. */
function isStreamedDuring({ acceptedAt, clients }: ResponseRecord, { from, to }: FaultRecord): boolean {
  return acceptedAt !== null && acceptedAt < to && clients.some(({ frames }) => (frames.at(-1)?.at ?? 0) > from);
}

/** The view with the most frames, and the place of its response. */
function longestView(responses: readonly ResponseRecord[]): [index: number, view: ClientView] {
  const [longest] = responses
    .flatMap(({ index, clients }) => clients.map((view): [number, ClientView] => [index, view]))
    .sort(([, a], [, b]) => b.frames.length - a.frames.length);
  if (longest === undefined) throw new Error('nobody has streamed');
  return longest;
}

describe('the workload', () => {
  test('is the same for the same seed', () => {
    const plans = (seed: number) => Array.from({ length: 300 }, (_, index) => planResponse({ seed }, index));
    const [some, same, others] = [plans(1), plans(1), plans(2)];
    const told = (all: typeof some) => all.map(({ random: _, ...plan }) => plan);
    expect(told(same)).toEqual(told(some));
    expect(told(others).map(({ shape, clients }) => [shape.name, clients])).not.toEqual(
      told(some).map(({ shape, clients }) => [shape.name, clients]),
    );
    const keys = some.flatMap(({ idempotencyKey }) => idempotencyKey ?? []);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('has every shape and every habit', () => {
    const plans = Array.from({ length: 3_000 }, (_, index) => planResponse({ seed: 5 }, index));
    expect(new Set(plans.map(({ shape }) => shape.name))).toEqual(new Set(SHAPE_NAMES));
    const clients = plans.flatMap((plan) => plan.clients);
    expect(new Set(clients.map(({ reading }) => reading.how))).toEqual(new Set(['to the end', 'slowly', 'never']));
    for (const has of [
      clients.some(({ drops }) => drops.length > 1),
      plans.some(({ cancelAfterMs }) => cancelAfterMs !== undefined),
      plans.some(({ deletes }) => deletes),
      plans.some(({ idempotencyKey }) => idempotencyKey === null),
      plans.some(({ pollEveryMs }) => pollEveryMs !== undefined),
      plans.some(({ strangerAfterMs }) => strangerAfterMs !== undefined),
    ]) {
      expect(has).toBe(true);
    }
  });

  test('marks each try that has no key, and those that have one alike', () => {
    const plans = Array.from({ length: 100 }, (_, index) => planResponse({ seed: 5, shapes: ['agents'] }, index));
    const world = { apiKey: 'key' } as World;
    for (const plan of plans) {
      const { marker, idempotencyKey } = plan;
      const markers = [0, 1, 2].map((tries) => markerOfTry(plan, tries));
      expect(new Set(markers).size).toBe(idempotencyKey === null ? 3 : 1);
      for (const each of markers) {
        const { headers, body = '' } = creationRequest(world, plan, each);
        expect(headers['idempotency-key']).toBe(idempotencyKey ?? undefined);
        const { input } = JSON.parse(body) as { input: string };
        expect(input.split('\n', 1)).toEqual([each]);
        expect(each === marker || !input.includes(marker)).toBe(true);
      }
    }
  });

  test.each([
    ['whole frames', ['a\nb\n\nc\n\n'], ['a\nb', 'c'], false],
    ['a frame in pieces', ['a', '\nb', '\n\nc'], ['a\nb'], true],
    ['an empty line in two', ['a\n', '\nb\n', '\n'], ['a', 'b'], false],
    ['a character in two', [Buffer.from('ü\n\n').subarray(0, 1), Buffer.from('ü\n\n').subarray(1)], ['ü'], false],
  ])('cuts a stream into frames: %s', (_, chunks, frames, isInside) => {
    const splitter = new FrameSplitter();
    expect(chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk)))).toEqual(frames);
    expect(splitter.isInside).toBe(isInside);
  });

  test.each([
    [200, {}, false],
    [404, {}, false],
    [409, {}, true],
    [429, {}, true],
    [503, {}, true],
    [503, { 'x-should-retry': 'false' }, false],
  ])("tries again as OpenAI's clients do: %d %j", (status, headers, again) => {
    expect(isTriedAgain(status, headers)).toBe(again);
  });

  test('waits as they do', () => {
    expect(pauseMs(0, { 'retry-after': '2' }, 0)).toBe(2_000);
    expect(pauseMs(0, { 'retry-after-ms': '30', 'retry-after': '2' }, 0)).toBe(30);
    expect([0, 1, 9].map((retries) => pauseMs(retries, {}, 0))).toEqual([500, 1_000, 8_000]);
    expect(pauseMs(0, {}, 1)).toBe(375);
  });
});

describe('recovery', () => {
  const response = (index: number, ...times: number[]): ResponseRecord => ({
    index,
    id: null,
    idempotencyKey: null,
    shape: 'plain',
    owner: 'local',
    marker: '',
    request: {},
    creates: [],
    acceptedAt: null,
    polls: [],
    foreign: [],
    clients: [{ attaches: [], frames: times.map((at) => ({ at, text: `${index} ${at}` })), done: true, errors: [] }],
  });
  const responses = [response(0, 10, 40, 300), response(1, 90, 130), response(2, 20, 30)];
  const killed = { kind: 'process-killed', target: 'gateway 0', from: 50, to: 100 };

  test('counts from the beginning of what others make up for, for those that were being streamed', () => {
    expect(recoveryTimes([killed], responses, () => 0)).toEqual([250]);
  });

  test('counts from the heal of what they cannot', () => {
    const frozen = { ...killed, kind: 'postgres-frozen', target: 'postgres' };
    expect(recoveryTimes([frozen], responses, () => 0)).toEqual([30, 200]);
    const both = [killed, { ...killed, target: 'gateway 1' }];
    expect(recoveryTimes(both, responses, () => 0)).toEqual([30, 30, 200, 200]);
  });

  test('leaves out scripts that are silent by themselves', () => {
    expect(recoveryTimes([killed], responses, () => 5_000)).toEqual([]);
  });

  test('percentiles are values that were measured', () => {
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(2);
    expect(percentile([1, 2, 3, 4], 0.99)).toBe(4);
    expect(percentile([], 0.5)).toBeUndefined();
  });
});

describe('the command line', () => {
  test('is read', () => {
    const args = [
      '--responses',
      '10000',
      '--seed',
      '4',
      '--faults',
      'nats-killed,link-cut',
      '--duration',
      '60',
      '--cluster',
    ];
    expect(readCommand(args, '/', FAULT_KINDS)).toMatchObject({
      do: 'run',
      options: { responses: 10_000, seed: 4, faults: ['nats-killed', 'link-cut'], spreadMs: 60_000, cluster: true },
    });
    expect(readCommand(['--faults', 'none'], '/', FAULT_KINDS)).toMatchObject({ options: { faults: [] } });
    expect(readCommand(['--check', 'run.jsonl'], '/kept', FAULT_KINDS)).toEqual({
      do: 'check',
      file: '/kept/run.jsonl',
    });
  });

  test.each([[['--faults', 'rain']], [['--responses', '0']], [['--seed', '-1']], [['--shapes', 'round']], [['more']]])(
    'says what is wrong with it: %j',
    (args) => {
      expect(() => readCommand(args, '/', FAULT_KINDS)).toThrow(expect.objectContaining({ name: 'UsageError' }));
    },
  );
});

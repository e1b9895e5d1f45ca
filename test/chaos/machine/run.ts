/** One run: a stack, its clients, its faults; and what is left when everything has come to rest. */
import { callsBooked, responsesEnded } from './at-rest.ts';
import { CallWatch } from './call-watch.ts';
import { check, type Evidence, gather, type Violation } from './checker/index.ts';
import { FaultRun } from './fault-run.ts';
import type { PlannedFault } from './faults/index.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { ResponseRecord, RunRecord } from './record/index.ts';
import { recoveryTimes } from './recovery.ts';
import type { RunFacts } from './report.ts';
import type { Subject } from './subject.ts';
import {
  epochMs,
  noTraffic,
  planResponse,
  RunOver,
  type ShapeName,
  type Traffic,
  Workload,
  type World,
} from './workload/index.ts';

/** How much is done. Times are milliseconds. */
export interface RunOptions {
  seed: number;
  responses: number;
  concurrency: number;
  shapes?: readonly ShapeName[] | undefined;
  /** Responses are begun evenly over this time; as fast as they can be by default. */
  spreadMs?: number | undefined;
  schedule: readonly PlannedFault[];
  /** Faults go on to the schedule's end, whether or not responses are still begun. */
  wholeSchedule?: boolean | undefined;
  /** In which everything has to come to rest. */
  restMs?: number | undefined;
  signal: AbortSignal;
  log(line: string): void;
  /** Hears how far it is, once a second. */
  onProgress?(progress: Progress): void;
}

/** How far a run is. */
export interface Progress {
  begun: number;
  finished: number;
  responses: number;
  faults: number;
  elapsedMs: number;
}

/** All that a run has come to. */
export interface RunOutcome {
  facts: Omit<RunFacts, 'commit' | 'command'>;
  record: RunRecord;
  evidence: Evidence;
  violations: Violation[];
}

const REST_MS = 60_000;
const READ_MS = 120_000;
const PROGRESS_MS = 1_000;
/** With the gateways' keep-alives every two seconds. */
const IDLE_MS = 8_000;
const HEAD_MS = 30_000;
/** What is not booked by then is told as such. */
const BOOKING_MS = 60_000;
/** The same of what no client waits for. */
const UNTOLD_MS = 60_000;

/**
 * Runs it all and judges it.
 * @throws whatever an injection has failed by, or the machine itself; the signal's reason when aborted.
 */
export async function runChaos(subject: Subject, options: RunOptions): Promise<RunOutcome> {
  const began = epochMs();
  const traffic = noTraffic();
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, options.signal]);
  const world = worldOf(subject, traffic, signal);
  const workload = workloadOf(world, options);
  const memory = new MemoryWatch(() => subject.processes());
  const calls = subject.callsUrls.map((url) => new CallWatch(url));
  const faults = new FaultRun({ inflict: subject.inflict, schedule: options.schedule, log: options.log });
  const progress = setInterval(() => {
    const { begun, records } = workload;
    const { responses } = options;
    const elapsedMs = epochMs() - began;
    options.onProgress?.({ begun, finished: records.length, responses, faults: faults.records.length, elapsedMs });
  }, PROGRESS_MS);
  let deadline: NodeJS.Timeout | undefined;
  try {
    const working = workload.run();
    // Its failure is told below.
    void Promise.allSettled([working]);
    await Promise.race([workload.allBegun, working]);
    await (options.wholeSchedule === true ? faults.ended() : faults.stop());
    deadline = setTimeout(() => over.abort(new RunOver()), options.restMs ?? REST_MS);
    await working;
    const durationMs = epochMs() - began;
    options.log('every client has come to its end');
    await workload.readAll(worldOf(subject, traffic, AbortSignal.any([endOfReading(), options.signal])));
    await memory.stop();
    const record: RunRecord = {
      seed: options.seed,
      responses: workload.records.sort((a, b) => a.index - b.index),
      faults: faults.records,
      calls: (await Promise.all(calls.map((watch) => watch.stop()))).flat().sort((a, b) => a.at - b.at),
      memory: memory.samples,
    };
    await responsesEnded(subject, UNTOLD_MS);
    await callsBooked(subject.natsUrl, BOOKING_MS);
    const evidence = await gather(subject);
    const quietOf = ({ index }: ResponseRecord) => planResponse(options, index).shape.quietMs;
    const recovery = recoveryTimes(record.faults, record.responses, quietOf);
    const facts = { stack: subject.description, durationMs, traffic, recovery };
    return { facts, record, evidence, violations: [...check(record, evidence), ...faults.failures.map(notBack)] };
  } finally {
    clearTimeout(deadline);
    clearInterval(progress);
    await Promise.allSettled([faults.stop(), memory.stop(), ...calls.map((watch) => watch.stop())]);
  }
}

function worldOf(subject: Subject, traffic: Traffic, signal: AbortSignal): World {
  const { gateways, apiKey, owner, strangerKey } = subject;
  return { gateways, apiKey, owner, strangerKey, traffic, signal, idleMs: IDLE_MS, headMs: HEAD_MS };
}

function workloadOf(world: World, options: RunOptions): Workload {
  const { seed, shapes, responses, concurrency, spreadMs = 0 } = options;
  return new Workload(world, { seed, shapes, responses, concurrency, everyMs: spreadMs / responses });
}

function endOfReading(): AbortSignal {
  const reading = new AbortController();
  setTimeout(() => reading.abort(new RunOver()), READ_MS).unref();
  return reading.signal;
}

/** What a fault has hit has to be there again after its heal. */
function notBack({ faults, reason }: { faults: readonly PlannedFault[]; reason: unknown }): Violation {
  const what = `not there again after ${faults.map(({ kind, target }) => `${kind} (${target})`).join(', ')}`;
  const reasons: unknown[] = reason instanceof AggregateError ? reason.errors : [reason];
  return { invariant: 'stuck', responseIndex: null, id: null, what, timeline: reasons.map(String) };
}

/** The three parts of the benchmark. In each, the demo model and Tailrace take turns under the same load. */
import type { Call } from '@tailrace/demo-model';
import type { BenchStack } from './bench-stack.ts';
import { type CpuTimes, cpuBetween, cpuSum, cpuTimes } from './cpu-time.ts';
import { directSubject } from './direct-subject.ts';
import { closedLoop, type Load } from './load.ts';
import { CHUNK_MS, type Plan } from './options.ts';
import type { BenchResults, CpuResult, LatencyResult, StepsResult, Throughput } from './results.ts';
import { summarise } from './samples.ts';
import { pacedText, promptText, threeSteps } from './scripts.ts';
import type { Subject, TimedStream } from './subject.ts';
import { tailraceSubject } from './tailrace-subject.ts';

/** Hears what is measured now. */
export type OnMeasuring = (what: string) => void;

/**
 * Warms everything up, then measures the parts of a plan.
 * @throws LoadFailed when a request fails or a stream is not whole.
 */
export async function measure(
  stack: BenchStack,
  plan: Plan,
  signal: AbortSignal,
  onMeasuring: OnMeasuring,
): Promise<BenchResults> {
  // A model call may have two tool calls under way beside it.
  const connections = 2 * Math.max(...plan.streams, ...plan.concurrency);
  const bench = new Bench(stack, plan, signal, connections);
  const results: BenchResults = { setting: stack.setting, ttft: [], events: [], steps: [], cpu: bench.cpu };
  try {
    onMeasuring('warming up');
    await bench.warmUp();
    for (const part of plan.parts) {
      for (const clients of part === 'steps' ? plan.concurrency : plan.streams) {
        onMeasuring(`${part}, ${clients} at once`);
        if (part === 'ttft') results.ttft.push(await bench.ttft(clients));
        else if (part === 'events') results.events.push(await bench.events(clients));
        else results.steps.push(await bench.steps(clients, false), await bench.steps(clients, true));
      }
    }
    return results;
  } finally {
    await bench.close();
  }
}

interface Turns<T> {
  direct: Load<T>;
  tailrace: Load<T>;
  /** The processor time of Tailrace's turns. */
  cpu: CpuTimes;
}

class Bench {
  readonly cpu: CpuResult[] = [];
  readonly #stack: BenchStack;
  readonly #plan: Plan;
  readonly #signal: AbortSignal;
  readonly #direct: Subject;
  readonly #tailrace: Subject;
  #requests = 0;

  constructor(stack: BenchStack, plan: Plan, signal: AbortSignal, connections: number) {
    this.#stack = stack;
    this.#plan = plan;
    this.#signal = signal;
    this.#direct = directSubject(stack.demoModelUrl, connections, stack.tools);
    this.#tailrace = tailraceSubject(stack.gatewayUrls, stack.apiKey, connections);
  }

  /** Compiles what is hot and opens every connection. */
  async warmUp(): Promise<void> {
    const clients = Math.max(...this.#plan.streams, ...this.#plan.concurrency);
    const load = { what: 'warm-up', clients, ms: this.#plan.turnMs.warmUp / 4, spreadMs: 0 };
    for (const subject of [this.#direct, this.#tailrace]) {
      for (const streaming of [true, false]) {
        await closedLoop(load, this.#signal, (signal) => subject.respond(threeSteps(this.#label()), streaming, signal));
      }
    }
  }

  /** From sending the request to the first piece of text. */
  async ttft(clients: number): Promise<LatencyResult> {
    // One client gets short answers, or there would be few of them; many get a model's usual pace.
    const chunks = clients === 1 ? 3 : 20;
    const ms = clients === 1 ? 2 : CHUNK_MS;
    const { direct, tailrace } = await this.#turns('ttft', clients, chunks * ms, (subject, signal) =>
      subject.stream(promptText(this.#label(), chunks, ms), chunks, signal),
    );
    const times = ({ results }: Load<TimedStream>) =>
      summarise(results.map(({ sentAt, arrivals }) => (arrivals[0] ?? Number.NaN) - sentAt));
    return { clients, direct: times(direct), tailrace: times(tailrace) };
  }

  /** From the moment at which the demo model's schedule has a chunk to its arrival at the client. */
  async events(clients: number): Promise<LatencyResult> {
    const { chunks } = this.#plan;
    const run = this.#label();
    const { direct, tailrace, cpu } = await this.#turns('events', clients, CHUNK_MS, async (subject, signal) => {
      const label = `${run} ${this.#label()}`;
      const { arrivals } = await subject.stream(pacedText(label, chunks, CHUNK_MS), chunks, signal);
      return { label, arrivals };
    });
    const begun = await this.#callTimes(run);
    const delays = ({ results }: Load<{ label: string; arrivals: number[] }>) =>
      summarise(
        results.flatMap(({ label, arrivals }) => {
          const start = begun.get(label) ?? Number.NaN;
          return arrivals.map((at, index) => at - (start + (index + 1) * CHUNK_MS));
        }),
      );
    const delivered = tailrace.results.length * chunks;
    this.#note(`streaming to ${clients}`, '1,000 text events', delivered / 1_000, cpu);
    return { clients, direct: delays(direct), tailrace: delays(tailrace) };
  }

  /** Whole responses of three model calls and three tool calls, one after the other. */
  async steps(clients: number, streaming: boolean): Promise<StepsResult> {
    const { direct, tailrace, cpu } = await this.#turns('steps', clients, 0, async (subject, signal) => {
      const start = performance.now();
      await subject.respond(threeSteps(this.#label()), streaming, signal);
      return performance.now() - start;
    });
    const what = `${streaming ? 'streaming' : 'blocking'} to ${clients}`;
    this.#note(what, 'three-step response', tailrace.results.length, cpu);
    return { clients, streaming, direct: throughput(direct), tailrace: throughput(tailrace) };
  }

  async close(): Promise<void> {
    await Promise.all([this.#direct.close(), this.#tailrace.close()]);
  }

  async #turns<T>(
    part: 'ttft' | 'events' | 'steps',
    clients: number,
    spreadMs: number,
    request: (subject: Subject, signal: AbortSignal) => Promise<T>,
  ): Promise<Turns<T>> {
    const direct: Load<T> = { results: [], elapsedMs: 0 };
    const tailrace: Load<T> = { results: [], elapsedMs: 0 };
    let cpu: CpuTimes = new Map();
    const turn = async (subject: Subject, sum: Load<T>) => {
      const what = `${part}, ${clients} at once, ${subject.name}`;
      const load = { what, clients, ms: this.#plan.turnMs[part], spreadMs };
      const { results, elapsedMs } = await closedLoop(load, this.#signal, (signal) => request(subject, signal));
      sum.results.push(...results);
      sum.elapsedMs += elapsedMs;
    };
    for (let round = 0; round < this.#plan.rounds; round += 1) {
      await turn(this.#direct, direct);
      const before = await cpuTimes(this.#stack.processes());
      await turn(this.#tailrace, tailrace);
      cpu = cpuSum(cpu, cpuBetween(before, await cpuTimes(this.#stack.processes())));
    }
    return { direct, tailrace, cpu };
  }

  #label(): string {
    this.#requests += 1;
    return `bench-${this.#requests}-`;
  }

  /** When the demo model began each call of a run, by the call's label. */
  async #callTimes(run: string): Promise<Map<string, number>> {
    const answer = await fetch(`${this.#stack.demoModelUrl}/_calls?contains=${encodeURIComponent(run)}`);
    const calls = (await answer.json()) as Call[];
    return new Map(calls.map(({ text, at }) => [text?.split('\n')[0] ?? '', at]));
  }

  #note(what: string, unit: string, units: number, cpu: CpuTimes): void {
    // The kernel counts in ticks: of less there is nothing to say.
    if (cpu.size === 0 || units < 1) return;
    const msPerUnit = Object.fromEntries([...cpu].map(([name, ms]) => [name, ms / units]));
    this.cpu.push({ what, unit, msPerUnit });
  }
}

function throughput({ results, elapsedMs }: Load<number>): Throughput {
  return { perSecond: (results.length / elapsedMs) * 1_000, latency: summarise(results) };
}

import type { Summary } from './samples.ts';

/** A time as a client sees it, in milliseconds: straight at the demo model, and through Tailrace. */
export interface LatencyResult {
  clients: number;
  direct: Summary;
  tailrace: Summary;
}

/** A closed loop of whole responses. */
export interface Throughput {
  perSecond: number;
  /** Milliseconds of one response. */
  latency: Summary;
}

/** Responses of three model calls and three tool calls. */
export interface StepsResult {
  clients: number;
  streaming: boolean;
  direct: Throughput;
  tailrace: Throughput;
}

/** Processor time of Tailrace's turns of one measurement. */
export interface CpuResult {
  what: string;
  /** What the time is divided by. */
  unit: string;
  /** Milliseconds for one unit, by the part of the stack. */
  msPerUnit: Record<string, number>;
}

/** The machine and what runs on it, for people. */
export interface Setting {
  machine: string;
  versions: string;
  stack: string;
}

/** Everything that a run found. */
export interface BenchResults {
  setting: Setting;
  ttft: LatencyResult[];
  events: LatencyResult[];
  steps: StepsResult[];
  cpu: CpuResult[];
}

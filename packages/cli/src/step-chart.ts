import { z } from 'zod';

/** A step as `GET /v1/responses/{id}/steps` shows it, as far as the chart needs it. */
export interface ChartStep {
  readonly kind: string;
  readonly name: string;
  readonly state: string;
  readonly attempt: number;
  /** ISO 8601; null before a worker has taken it. */
  readonly started_at: string | null;
  readonly duration_ms: number | null;
  readonly children: readonly ChartStep[];
}

const step: z.ZodType<ChartStep> = z.object({
  kind: z.string(),
  name: z.string(),
  state: z.string(),
  attempt: z.number(),
  started_at: z.string().nullable(),
  duration_ms: z.number().nullable(),
  get children() {
    return z.array(step);
  },
});

const list = z.object({ data: z.array(step) });

/** Reads the answer of `GET /v1/responses/{id}/steps`. @throws ZodError when it is something else. */
export function parseSteps(value: unknown): readonly ChartStep[] {
  return list.parse(value).data;
}

const BAR_WIDTH = 32;
const LABEL_WIDTH = 30;

/** The steps as a tree, each with its start, its duration and a bar on a common time line. */
export function stepChart(steps: readonly ChartStep[]): string {
  const spans = flatten(steps).flatMap((each) => spanOf(each) ?? []);
  const from = Math.min(...spans.map(({ start }) => start));
  const to = Math.max(...spans.map(({ end }) => end));
  return treeLines(steps, '')
    .map(({ prefix, step: each }) => {
      const label = `${prefix}${each.kind} ${each.name}`.padEnd(LABEL_WIDTH);
      const span = spanOf(each);
      const state = `${each.state}${each.attempt > 1 ? `, attempt ${each.attempt}` : ''}`;
      if (span === undefined) return `${label} ${state}`;
      const times = `${seconds(span.start - from, '+')} ${seconds(span.end - span.start, '')}`;
      return `${label} ${times}  ${bar(span, from, to)}  ${state}`;
    })
    .join('\n');
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function spanOf({ started_at, duration_ms }: ChartStep): Span | undefined {
  if (started_at === null || duration_ms === null) return undefined;
  const start = Date.parse(started_at);
  return { start, end: start + duration_ms };
}

function flatten(steps: readonly ChartStep[]): ChartStep[] {
  return steps.flatMap((each) => [each, ...flatten(each.children)]);
}

function treeLines(steps: readonly ChartStep[], indent: string): { prefix: string; step: ChartStep }[] {
  return steps.flatMap((each, index) => {
    const isLast = index === steps.length - 1;
    const below = treeLines(each.children, `${indent}${isLast ? '   ' : '│  '}`);
    return [{ prefix: `${indent}${isLast ? '└─ ' : '├─ '}`, step: each }, ...below];
  });
}

function bar({ start, end }: Span, from: number, to: number): string {
  const scale = BAR_WIDTH / Math.max(1, to - from);
  const before = Math.min(BAR_WIDTH - 1, Math.floor((start - from) * scale));
  const length = Math.min(BAR_WIDTH - before, Math.max(1, Math.round((end - start) * scale)));
  return `${' '.repeat(before)}${'█'.repeat(length)}`
    .padEnd(BAR_WIDTH, '·')
    .replace(/^ +/, (gap) => '·'.repeat(gap.length));
}

function seconds(milliseconds: number, sign: string): string {
  return `${sign}${(milliseconds / 1000).toFixed(2)} s`.padStart(8);
}

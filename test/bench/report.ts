/** The results for people. */
import { CHUNK_MS } from './options.ts';
import type { BenchResults, CpuResult, LatencyResult, StepsResult } from './results.ts';

/** The whole report: a heading and a table for each part. */
export function report({ setting, ttft, events, steps, cpu }: BenchResults): string {
  const parts = [[setting.machine, setting.versions, setting.stack].join('\n')];
  if (ttft.length > 0) parts.push(latencyTable('Time to the first text, ms', ttft));
  if (events.length > 0) {
    const title = `Arrival of a chunk after the model's schedule has it (one every ${CHUNK_MS} ms), ms`;
    parts.push(latencyTable(title, events));
  }
  if (steps.length > 0) parts.push(stepsTable(steps));
  if (cpu.length > 0) parts.push(cpuTable(cpu));
  return `${parts.join('\n\n')}\n`;
}

function latencyTable(title: string, rows: readonly LatencyResult[]): string {
  const head = ['', 'samples', 'direct p50', 'p99', 'Tailrace p50', 'p99', 'added p50', 'p99', 'ratio p50'];
  const body = rows.map(({ clients, direct, tailrace }) => [
    clients === 1 ? '1 stream' : `${clients} streams`,
    String(tailrace.count),
    ms(direct.p50),
    ms(direct.p99),
    ms(tailrace.p50),
    ms(tailrace.p99),
    ms(tailrace.p50 - direct.p50),
    ms(tailrace.p99 - direct.p99),
    ratio(tailrace.p50, direct.p50),
  ]);
  return table(title, [head, ...body]);
}

function stepsTable(rows: readonly StepsResult[]): string {
  const title = 'Responses of three steps (model, two tools, model, one tool, model), no delays';
  const head = [
    '',
    'direct /s',
    'p50 ms',
    'p99',
    'Tailrace /s',
    'p50 ms',
    'p99',
    'model calls /s',
    'direct : Tailrace',
  ];
  const body = rows.map(({ clients, streaming, direct, tailrace }) => [
    `${clients} ${streaming ? 'streaming' : 'blocking'}`,
    direct.perSecond.toFixed(0),
    ms(direct.latency.p50),
    ms(direct.latency.p99),
    tailrace.perSecond.toFixed(1),
    ms(tailrace.latency.p50),
    ms(tailrace.latency.p99),
    (tailrace.perSecond * 3).toFixed(0),
    ratio(direct.perSecond, tailrace.perSecond),
  ]);
  return table(title, [head, ...body]);
}

function cpuTable(rows: readonly CpuResult[]): string {
  const names = [...new Set(rows.flatMap(({ msPerUnit }) => Object.keys(msPerUnit)))];
  const body = rows.map(({ what, unit, msPerUnit }) => [
    `${what}, per ${unit}`,
    ...names.map((name) => ms(msPerUnit[name] ?? 0)),
    ms(Object.values(msPerUnit).reduce((sum, each) => sum + each, 0)),
  ]);
  return table('Processor time through Tailrace, ms', [['', ...names, 'all'], ...body]);
}

function ms(value: number): string {
  return value.toFixed(Math.abs(value) < 100 ? 1 : 0);
}

function ratio(a: number, b: number): string {
  return `${(a / b).toFixed(1)}×`;
}

/** Columns as wide as they need to be, the first to the left, the others to the right. */
function table(title: string, rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const [head = '', ...body] = lines;
  return [title, head, '─'.repeat(Math.max(...lines.map((line) => line.length))), ...body].join('\n');
}

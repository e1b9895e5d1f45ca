/** What a run came to, for people. */
import type { Evidence, Violation } from './checker/index.ts';
import type { MemorySample, ResponseRecord, RunRecord } from './record/index.ts';
import { percentile } from './recovery.ts';
import type { Traffic } from './workload/index.ts';

/** What a run's record does not say. */
export interface RunFacts {
  /** As git names it; undefined outside of a checkout. */
  commit: string | undefined;
  /** The command that runs the same again. */
  command: string;
  /** What the stack was made of. */
  stack: string;
  durationMs: number;
  traffic: Traffic;
  /** Milliseconds from each fault to the next event of each response that was streamed, ascending. */
  recovery: number[];
}

/** All that is told. */
export interface Report {
  facts: RunFacts;
  record: RunRecord;
  evidence: Evidence;
  violations: readonly Violation[];
}

const TOLD_VIOLATIONS = 20;
const TOLD_LINES = 40;
const TOLD_CHARACTERS = 300;
const OUTCOMES = ['completed', 'incomplete', 'failed', 'cancelled', 'gone', 'open', 'not made'] as const;
const ROWS = ['lost', 'duplicated', 'left behind', 'stuck', 're-executed'] as const;
const MEBI = 1024 * 1024;

type Outcome = (typeof OUTCOMES)[number];

/** The whole report, the violations last. */
export function report(run: Report): string {
  const { facts, record } = run;
  const head = [
    `${record.responses.length} responses in ${(facts.durationMs / 1_000).toFixed(0)} s · ${facts.stack}`,
    `seed ${record.seed} · commit ${facts.commit ?? 'unknown'}`,
    facts.command,
  ].join('\n');
  return `${[head, shapeTable(run), faultTable(run), numbers(run), memoryTable(record.memory), verdict(run)].join('\n\n')}\n`;
}

function shapeTable({ record, evidence }: Report): string {
  const byShape = Map.groupBy(record.responses, ({ shape }) => shape);
  const row = (name: string, responses: readonly ResponseRecord[]) => {
    const outcomes = responses.map((response) => outcomeOf(response, evidence));
    const counts = OUTCOMES.map((outcome) => outcomes.filter((each) => each === outcome).length);
    return [name, String(responses.length), ...counts.map(String)];
  };
  const rows = [...byShape].sort(([a], [b]) => a.localeCompare(b)).map(([name, responses]) => row(name, responses));
  return table([['shape', 'responses', ...OUTCOMES], ...rows, row('all', record.responses)]);
}

function outcomeOf({ id, deletedAt, request }: ResponseRecord, { responses }: Evidence): Outcome {
  if (id === null) return 'not made';
  const row = responses.get(id)?.row;
  if (!row) return deletedAt !== undefined || request.store === false ? 'gone' : 'open';
  return OUTCOMES.find((outcome) => outcome === row.status) ?? 'open';
}

function faultTable({ record }: Report): string {
  const byKind = Map.groupBy(record.faults, ({ kind }) => kind);
  if (byKind.size === 0) return 'no faults';
  const rows = [...byKind]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([kind, faults]) => {
      const seconds = faults.reduce((sum, { from, to }) => sum + (to - from), 0) / 1_000;
      return [kind, String(faults.length), seconds.toFixed(0)];
    });
  return table([['fault', 'times', 'seconds'], ...rows, ['all', String(record.faults.length), '']]);
}

function numbers({ facts, record, violations }: Report): string {
  const { traffic, recovery } = facts;
  const views = record.responses.flatMap(({ clients }) => clients);
  const why = Object.entries(traffic.retries).map(([reason, count]) => `${reason}: ${count}`);
  const reasons = [...Map.groupBy(record.responses.flatMap(failureOf), (code) => code)].map(
    ([code, codes]) => `${code}: ${codes.length}`,
  );
  const others = violations.filter(({ invariant }) => !ROWS.some((row) => row === invariant)).length;
  const rows: [string, string][] = [
    ['clients that stream', String(views.length)],
    ['attaches', String(sum(views.map(({ attaches }) => attaches.length)))],
    ['events at clients', String(sum(views.map(({ frames }) => frames.length)))],
    ['made without a key, tries', keyless(record.responses)],
    ['requests', String(traffic.requests)],
    ['tried again', why.length === 0 ? '0' : why.join(', ')],
    ['more than the SDK does by itself', String(traffic.beyondDefault)],
    ['failed because', reasons.length === 0 ? 'none failed' : reasons.join(', ')],
    ['recovery p50', milliseconds(percentile(recovery, 0.5))],
    ['recovery p99', `${milliseconds(percentile(recovery, 0.99))} (of ${recovery.length})`],
    ...ROWS.map((row): [string, string] => [row, String(count(violations, row))]),
    ['other violations', String(others)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

/** How many were asked for without an `Idempotency-Key`, and what became of the requests for them. */
function keyless(responses: readonly ResponseRecord[]): string {
  const without = responses.filter(({ idempotencyKey }) => idempotencyKey === null);
  const tries = without.flatMap(({ creates }) => creates);
  const by = Map.groupBy(tries, ({ status }) => status ?? 'no answer');
  const answers = [...by].map(([status, each]) => `${status}: ${each.length}`);
  return [`${without.length}, ${tries.length}`, ...answers].join(', ');
}

/** The code of the error that a response has failed with, as its owner was told. */
function failureOf({ polls }: ResponseRecord): string[] {
  const { error } = (polls.at(-1)?.body ?? {}) as { error?: { code?: unknown } | null };
  return polls.at(-1)?.status === 200 && error ? [String(error.code)] : [];
}

function memoryTable(samples: readonly MemorySample[]): string {
  const byRole = Map.groupBy(samples, ({ role }) => role);
  if (byRole.size === 0) return 'no memory was looked at';
  const rows = [...byRole].map(([role, own]) => {
    const byProcess = [...Map.groupBy(own, ({ pid }) => pid).values()];
    const last = byProcess.map((each) => each.at(-1)?.rss ?? 0);
    const mebibytes = [
      Math.min(...own.map(({ rss }) => rss)),
      Math.max(...own.map(({ rss }) => rss)),
      Math.max(...last),
    ];
    return [role, String(byProcess.length), ...mebibytes.map((bytes) => (bytes / MEBI).toFixed(0))];
  });
  return table([['resident MiB', 'processes', 'least', 'most', 'at the end'], ...rows]);
}

function verdict({ violations }: Report): string {
  if (violations.length === 0) return 'Nothing was broken.';
  const told = violations.slice(0, TOLD_VIOLATIONS).map(({ invariant, responseIndex, id, what, timeline }) => {
    const whose = responseIndex === null ? '' : ` response ${responseIndex} (${id ?? 'no id'})`;
    return [`✘ ${invariant}${whose}: ${what}`, ...bounded(timeline).map((line) => `    ${clipped(line)}`)].join('\n');
  });
  const more = violations.length > TOLD_VIOLATIONS ? [`… and ${violations.length - TOLD_VIOLATIONS} more`] : [];
  return [`${violations.length} violations`, ...told, ...more].join('\n\n');
}

/** The beginning and the end of a timeline. */
function bounded(lines: readonly string[]): string[] {
  if (lines.length <= TOLD_LINES) return [...lines];
  const half = TOLD_LINES / 2;
  return [...lines.slice(0, half), `… ${lines.length - TOLD_LINES} lines …`, ...lines.slice(-half)];
}

function clipped(line: string): string {
  return line.length <= TOLD_CHARACTERS ? line : `${line.slice(0, TOLD_CHARACTERS)}…`;
}

function count(violations: readonly Violation[], invariant: string): number {
  return violations.filter((violation) => violation.invariant === invariant).length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? 'unknown' : `${value.toFixed(0)} ms`;
}

/** Columns as wide as they need to be, the first to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const [head = '', ...body] = lines;
  return [head, '─'.repeat(Math.max(...lines.map((line) => line.length))), ...body].join('\n');
}

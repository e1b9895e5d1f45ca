/** What the command line asks of the benchmark. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from '../../packages/cli/src/start-options.ts';

/** The parts of the benchmark. */
export const PARTS = ['ttft', 'events', 'steps'] as const;
export type Part = (typeof PARTS)[number];

/** Milliseconds between two chunks of a model that writes 100 tokens a second. */
export const CHUNK_MS = 10;

/** How much is measured. All times are in milliseconds. */
export interface Plan {
  parts: readonly Part[];
  /** How often the demo model and Tailrace take turns in one measurement. */
  rounds: number;
  /** One turn of the warm-up and of each part. */
  turnMs: Record<Part | 'warmUp', number>;
  /** Concurrent streams in the first two parts. */
  streams: readonly number[];
  /** Concurrent responses in the third. */
  concurrency: readonly number[];
  /** Chunks in a stream whose events are timed; they come every {@link CHUNK_MS}. */
  chunks: number;
}

/** The whole command line. */
export interface BenchOptions {
  plan: Plan;
  json: boolean;
  help: boolean;
  /** Folder for a CPU profile of each service. */
  profileDir: string | undefined;
}

const FULL: Plan = {
  parts: PARTS,
  rounds: 3,
  turnMs: { warmUp: 4_000, ttft: 900, events: 1_000, steps: 1_000 },
  streams: [1, 16],
  concurrency: [1, 16, 64],
  chunks: 100,
};

const QUICK: Plan = {
  parts: PARTS,
  rounds: 1,
  turnMs: { warmUp: 1_600, ttft: 400, events: 300, steps: 700 },
  streams: [1, 16],
  concurrency: [16],
  chunks: 30,
};

/** What `--help` prints. */
export const USAGE = `Usage: npm run bench [-- options]

Measures Tailrace against the demo model, next to the same load straight at the demo model, in turns, on a stack of its
own with throw-away data. Takes about a minute and a half.

  --quick              a rough look in under 20 seconds
  --only PARTS         some of: ${PARTS.join(', ')} (comma-separated)
  --rounds N           how often both take turns in each measurement
  --turn-ms N          how long each turn is
  --streams LIST       concurrent streams in ttft and events (full: ${FULL.streams})
  --concurrency LIST   concurrent responses in steps (full: ${FULL.concurrency}; quick: ${QUICK.concurrency})
  --json               the results as JSON instead of a table
  --profile DIR        write a CPU profile of each service (slows them down)
  --help               this text

Environment: GATEWAYS, ORCHESTRATORS, MODEL_CALLERS, TOOL_RUNNERS start so many of each. NATS_URL and DATABASE_URL name
servers to use instead of the embedded ones; what is stored there stays there.
Exit status: 0 when every request succeeded and every stream was whole, 1 when not, 2 for a wrong command line.
`;

/**
 * Reads the command line; `cwd` is where the user stands.
 * @throws UsageError
 */
export function readOptions(args: readonly string[], cwd: string): BenchOptions {
  const { values } = parse(args);
  const base = values.quick === true ? QUICK : FULL;
  const turn = values['turn-ms'];
  return {
    plan: {
      ...base,
      parts: values.only === undefined ? base.parts : values.only.split(',').map(toPart),
      rounds: values.rounds === undefined ? base.rounds : toCount('--rounds', values.rounds, 100),
      turnMs: turn === undefined ? base.turnMs : everyTurn(toCount('--turn-ms', turn, 600_000)),
      streams: toCounts('--streams', values.streams) ?? base.streams,
      concurrency: toCounts('--concurrency', values.concurrency) ?? base.concurrency,
    },
    json: values.json === true,
    help: values.help === true,
    profileDir: values.profile === undefined ? undefined : resolve(cwd, values.profile),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: flag,
        only: text,
        rounds: text,
        'turn-ms': text,
        streams: text,
        concurrency: text,
        json: flag,
        profile: text,
        help: flag,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function everyTurn(ms: number): Plan['turnMs'] {
  return { warmUp: ms, ttft: ms, events: ms, steps: ms };
}

function toPart(name: string): Part {
  const part = PARTS.find((each) => each === name);
  if (part === undefined) throw new UsageError(`--only: there is no part '${name}'.`);
  return part;
}

function toCounts(option: string, list: string | undefined): number[] | undefined {
  return list?.split(',').map((text) => toCount(option, text, 1_000));
}

function toCount(option: string, text: string, most: number): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > most) {
    throw new UsageError(`${option}: '${text}' is not a number from 1 to ${most}.`);
  }
  return count;
}

/** What the command line asks of the machine. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from '../../../packages/cli/src/start-options.ts';
import { SHAPE_NAMES, type ShapeName } from './workload/index.ts';

/** A whole run. */
export interface ChaosOptions {
  responses: number;
  seed: number;
  /** Responses at once. */
  concurrency: number;
  /** Kinds of faults to draw from; undefined: all. */
  faults: readonly string[] | undefined;
  /** Shapes of responses to draw from; undefined: all. */
  shapes: readonly ShapeName[] | undefined;
  /** Whether NATS is a cluster of three. */
  cluster: boolean;
  /** Responses are begun evenly over this time, milliseconds; as fast as they can be by default. */
  spreadMs: number | undefined;
  /** Folder for data and logs, which stay; undefined: a throw-away one. */
  dir: string | undefined;
  /** File to keep everything in that the run has seen and left. */
  recordFile: string | undefined;
}

/** The whole command line: a run, or the judgement of one that was kept. */
export type Command = { do: 'help' } | { do: 'check'; file: string } | { do: 'run'; options: ChaosOptions };

/** What `--help` prints. */
export function usage(kinds: readonly string[]): string {
  return `Usage: npm run chaos -- [options]

Breaks a stack of its own, with throw-away data, while many clients use it; then judges what they saw against what is left.

  --responses N     how many (${DEFAULTS.responses})
  --seed S          a number from which workload and faults follow; a new one by default
  --concurrency N   responses at once (${DEFAULTS.concurrency})
  --faults LIST     kinds to draw from, comma-separated, or none; all by default:
                    ${wrapped(kinds)}
  --shapes LIST     responses to draw from, comma-separated; all by default:
                    ${wrapped(SHAPE_NAMES)}
  --cluster         on a NATS cluster of three
  --duration S      begin them evenly over so many seconds, in place of as fast as the concurrency allows
  --dir DIR         keep the servers' data and the services' logs there
  --record FILE     keep everything that was seen, and what is left, as lines of JSON
  --check FILE      judge a run that was kept, and run nothing
  --help            this text

Exit status: 0 when nothing was broken, 1 when something was, 2 for a wrong command line.
`;
}

const DEFAULTS = { responses: 500, concurrency: 64 };
const MOST_SEED = 2 ** 31;

/**
 * Reads the command line; `cwd` is where the user stands, `kinds` the faults there are.
 * @throws UsageError
 */
export function readCommand(args: readonly string[], cwd: string, kinds: readonly string[]): Command {
  const { values } = parse(args);
  if (values.help === true) return { do: 'help' };
  if (values.check !== undefined) return { do: 'check', file: resolve(cwd, values.check) };
  const { responses, seed, concurrency, duration, dir, record } = values;
  return {
    do: 'run',
    options: {
      responses: responses === undefined ? DEFAULTS.responses : toCount('--responses', responses, 1_000_000),
      seed: seed === undefined ? Math.floor(Math.random() * MOST_SEED) : toSeed(seed),
      concurrency: concurrency === undefined ? DEFAULTS.concurrency : toCount('--concurrency', concurrency, 10_000),
      faults: values.faults === 'none' ? [] : toNames('--faults', values.faults, kinds),
      shapes: toNames('--shapes', values.shapes, SHAPE_NAMES),
      cluster: values.cluster === true,
      spreadMs: duration === undefined ? undefined : toCount('--duration', duration, 86_400) * 1_000,
      dir: dir === undefined ? undefined : resolve(cwd, dir),
      recordFile: record === undefined ? undefined : resolve(cwd, record),
    },
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        responses: text,
        seed: text,
        concurrency: text,
        faults: text,
        shapes: text,
        cluster: flag,
        duration: text,
        dir: text,
        record: text,
        check: text,
        help: flag,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function toNames<T extends string>(option: string, list: string | undefined, names: readonly T[]): T[] | undefined {
  return list?.split(',').map((text) => {
    const name = names.find((each) => each === text.trim());
    if (name === undefined) throw new UsageError(`${option}: there is no '${text}'; there are: ${names.join(', ')}.`);
    return name;
  });
}

function toCount(option: string, text: string, most: number): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > most) {
    throw new UsageError(`${option}: '${text}' is not a number from 1 to ${most}.`);
  }
  return count;
}

function toSeed(text: string): number {
  const seed = Number(text);
  if (!Number.isInteger(seed) || seed < 0 || seed >= MOST_SEED) {
    throw new UsageError(`--seed: '${text}' is not a number from 0 to ${MOST_SEED - 1}.`);
  }
  return seed;
}

/** As many names in a line as fit under the option's text. */
function wrapped(names: readonly string[]): string {
  const lines: string[] = [''];
  for (const name of names) {
    const last = lines.at(-1) ?? '';
    const next = last === '' ? name : `${last}, ${name}`;
    if (next.length <= 100) lines[lines.length - 1] = next;
    else lines.push(name);
  }
  return lines.join(',\n                    ');
}

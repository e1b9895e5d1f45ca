/** `npm run chaos`: see the usage in `options.ts`. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onInterrupt } from '../../../packages/cli/src/interrupt.ts';
import { UsageError } from '../../../packages/cli/src/start-options.ts';
import { check } from './checker/index.ts';
import { FAULT_KINDS, isFaultKind, schedule } from './faults/index.ts';
import { type ChaosOptions, type Command, readCommand, usage } from './options.ts';
import { progressLine } from './progress-line.ts';
import { type RunFacts, report } from './report.ts';
import { runChaos } from './run.ts';
import { readRun, writeRun } from './run-file.ts';
import { startSubject, topologyOf } from './subject.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const INTERRUPTED = 130;
/** Long enough for any run: a schedule ends with the responses. */
const SCHEDULE_MS = 24 * 60 * 60 * 1_000;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let command: Command;
  try {
    command = readCommand(args, process.env.INIT_CWD ?? process.cwd(), FAULT_KINDS);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${usage(FAULT_KINDS)}`);
    return 2;
  }
  switch (command.do) {
    case 'help':
      process.stdout.write(usage(FAULT_KINDS));
      return 0;
    case 'check':
      return judge(command.file);
    case 'run':
      return run(command.options);
  }
}

async function judge(file: string): Promise<number> {
  const kept = await readRun<RunFacts>(file);
  const violations = check(kept.record, kept.evidence);
  process.stdout.write(report({ ...kept, violations }));
  return violations.length === 0 ? 0 : 1;
}

/** Progress goes to the standard error, so that the report alone is on the standard output. */
async function run(options: ChaosOptions): Promise<number> {
  // A terminal or a pipe that has gone away must not keep the stack from being stopped.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const interrupt = onInterrupt(() => process.exit(INTERRUPTED));
  const progress = progressLine(process.stderr);
  const { seed, cluster, dir, faults = FAULT_KINDS, recordFile } = options;
  progress.line(`seed ${seed}`);
  let subject: Awaited<ReturnType<typeof startSubject>> | undefined;
  try {
    subject = await startSubject({ cluster, dir, log: progress.line });
    const kinds = faults.filter(isFaultKind);
    const planned = schedule(seed, { topology: topologyOf(options), kinds, durationMs: SCHEDULE_MS });
    const outcome = await runChaos(subject, {
      ...options,
      schedule: planned,
      signal: interrupt.signal,
      log: progress.line,
      onProgress: progress.show,
    });
    const facts = { ...outcome.facts, commit: await commitOf(ROOT), command: commandOf(options) };
    progress.end();
    if (recordFile !== undefined) await writeRun(recordFile, { ...outcome, facts });
    process.stdout.write(`\n${report({ ...outcome, facts })}`);
    return outcome.violations.length === 0 ? 0 : 1;
  } catch (error) {
    if (interrupt.signal.aborted) return INTERRUPTED;
    throw error;
  } finally {
    progress.end();
    await subject?.stop();
    interrupt.dispose();
  }
}

/** The command that does the same again. */
function commandOf({ responses, seed, concurrency, faults, shapes, cluster, spreadMs }: ChaosOptions): string {
  const parts = [
    `--responses ${responses} --seed ${seed} --concurrency ${concurrency}`,
    ...(faults === undefined ? [] : [`--faults ${faults.length === 0 ? 'none' : faults.join(',')}`]),
    ...(shapes === undefined ? [] : [`--shapes '${shapes.join(',')}'`]),
    ...(cluster ? ['--cluster'] : []),
    ...(spreadMs === undefined ? [] : [`--duration ${spreadMs / 1_000}`]),
  ];
  return `npm run chaos -- ${parts.join(' ')}`;
}

/** What git calls the checkout; undefined where there is none. */
async function commitOf(root: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('git', ['describe', '--always', '--dirty', '--abbrev=10'], {
      cwd: root,
    });
    return stdout.trim();
  } catch (error) {
    // No git, or none of its folders: a number when it ran, a word when it did not.
    const { code } = error as { code?: unknown };
    if (code === 'ENOENT' || typeof code === 'number') return undefined;
    throw error;
  }
}

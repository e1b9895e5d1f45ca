/** `npm run bench`: see the usage in `options.ts`. */
import { fileURLToPath } from 'node:url';
import { onInterrupt } from '../../packages/cli/src/interrupt.ts';
import { progressDisplay } from '../../packages/cli/src/progress-display.ts';
import { readSettings, type StartSettings, UsageError } from '../../packages/cli/src/start-options.ts';
import { type BenchStack, startBenchStack } from './bench-stack.ts';
import { LoadFailed } from './load.ts';
import { measure } from './measure.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { report } from './report.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const INTERRUPTED = 130;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const cwd = process.env.INIT_CWD ?? process.cwd();
  let options: BenchOptions;
  let settings: StartSettings;
  try {
    options = readOptions(args, cwd);
    settings = readSettings([], process.env, cwd, ROOT);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  return run(options, settings);
}

/** Progress goes to the standard error, so that the results alone are on the standard output. */
async function run({ plan, json, profileDir }: BenchOptions, settings: StartSettings): Promise<number> {
  // A terminal or a pipe that has gone away must not keep the stack from being stopped.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const interrupt = onInterrupt(() => process.exit(INTERRUPTED));
  const display = progressDisplay(process.stderr, 'Benchmark');
  let stack: BenchStack | undefined;
  try {
    display.show({ name: 'the stack', state: 'starting' });
    const { replicas, natsUrl, databaseUrl } = settings;
    const { signal } = interrupt;
    stack = await startBenchStack({ replicas, natsUrl, databaseUrl, profileDir, log: display.line, signal });
    display.show({ name: 'the stack', state: 'ready' });
    const results = await measure(stack, plan, signal, display.line);
    process.stdout.write(json ? `${JSON.stringify(results, undefined, 2)}\n` : `\n${report(results)}`);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) return INTERRUPTED;
    if (!(error instanceof LoadFailed)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    return 1;
  } finally {
    display.end();
    await stack?.stop();
    interrupt.dispose();
  }
}

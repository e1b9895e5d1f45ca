import { once } from 'node:events';
import { relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { onInterrupt } from './interrupt.ts';
import { mergeConfig, upstreamConfig } from './local-config.ts';
import { readOwnConfig } from './own-config.ts';
import { progressDisplay } from './progress-display.ts';
import { type Stack, startStack } from './stack.ts';
import { readSettings, type StartSettings, USAGE, UsageError } from './start-options.ts';
import { welcomeText } from './welcome.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const INTERRUPTED = 130;

/**
 * `npm start`: runs a stack until it is told to end, and returns the exit status. Everything it has started has ended by
 * then.
 */
export async function start(args: readonly string[]): Promise<number> {
  // npm runs its scripts in the project's folder and says where the user was.
  const cwd = process.env.INIT_CWD ?? process.cwd();
  let settings: StartSettings;
  try {
    settings = readSettings(args, process.env, cwd, ROOT);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    return 2;
  }
  if (settings.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  return run(settings);
}

async function run(settings: StartSettings): Promise<number> {
  // A terminal that has gone away must not keep the rest from being stopped.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  let stack: Stack | undefined;
  const interrupt = onInterrupt(() => {
    stack?.killAll();
    process.exit(INTERRUPTED);
  });
  const display = progressDisplay(process.stdout, 'Starting');
  interrupt.signal.addEventListener('abort', () => {
    display.end();
    display.line(`\nStopping (${interrupt.signal.reason.message}) …`);
  });
  try {
    stack = await startStack({
      ...settings,
      gatewayPort: settings.port,
      config: await ownConfig(settings),
      log: (line) => display.line(line),
      onProgress: (progress) => display.show(progress),
      signal: interrupt.signal,
    });
    display.end();
    tellPort(stack, settings, display.line);
    process.stdout.write(welcomeText({ ...stack, dataDir: relative(process.cwd(), stack.dataDir) || '.' }));
    if (!interrupt.signal.aborted) await once(interrupt.signal, 'abort');
    await stack.stop();
  } catch (error) {
    display.end();
    if (!interrupt.signal.aborted) {
      process.stderr.write(`\n${error instanceof Error ? error.message : error}\n`);
      return 1;
    }
  } finally {
    interrupt.dispose();
  }
  display.line('Stopped.');
  return 0;
}

async function ownConfig({ upstream, configFile }: StartSettings): Promise<Record<string, unknown>> {
  const real = upstream === undefined ? {} : upstreamConfig(upstream);
  return mergeConfig(real, configFile === undefined ? {} : await readOwnConfig(configFile));
}

function tellPort({ gateways }: Stack, { port }: StartSettings, line: (text: string) => void): void {
  const used = Number(new URL(gateways[0] ?? '').port || 80);
  if (used !== port) line(`Port ${port} is taken; the first gateway listens on ${used}.`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exit(await start(process.argv.slice(2)));
}

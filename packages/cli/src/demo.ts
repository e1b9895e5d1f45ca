/** `npm run demo`: what Tailrace is for, to be seen in half a minute. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { emptyDataDir } from './data-dir.ts';
import { onInterrupt } from './interrupt.ts';
import { progressDisplay } from './progress-display.ts';
import { ask, type Endpoint, fetchJson, outputText, type ResponseEvent, reattach } from './response-stream.ts';
import { sequenceFault } from './sequence.ts';
import { type Stack, startStack } from './stack.ts';
import { parseSteps, stepChart } from './step-chart.ts';

const DATA_DIR = fileURLToPath(new URL('../../../.tailrace/demo', import.meta.url));
const QUESTION = 'What is the weather and the local time in Paris?';
// The demo model answers in about a quarter of a second; people read more slowly.
const READING_MS = 90;
const TITLE_MS = 1_200;
const WORDS_BEFORE_KILL = 7;

const INTRODUCTION = `
Tailrace keeps answering when its servers die.

  1. A question that needs two tools; they run at the same time, on the server.
  2. In the middle of the answer, the gateway the stream hangs on is killed (kill -9).
  3. The client goes on reading at the other gateway, with nothing missing and nothing twice.
  4. The chain of steps, as it was recorded.

`;

const write = (text: string) => void process.stdout.write(text);

/** Prints what has been received at the speed of a reader, whatever the speed it came in. */
class Printer {
  #last: Promise<void> = Promise.resolve();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  print(text: string, pauseMs: number): void {
    this.#last = this.#last.then(async () => {
      if (this.#signal.aborted) return;
      write(text);
      await sleep(pauseMs, undefined, { signal: this.#signal }).catch((error) => {
        if (!this.#signal.aborted) throw error;
      });
    });
  }

  done(): Promise<void> {
    return this.#last;
  }
}

function show(event: ResponseEvent, printer: Printer): void {
  const { type, item, delta } = event;
  if (type === 'response.output_item.done' && item?.type === 'function_call') {
    printer.print(`  → ${item.name}(${item.arguments})\n`, READING_MS * 4);
  } else if (type === 'response.output_item.done' && item?.type === 'function_call_output') {
    printer.print(`  ← ${String(item.output)}\n`, READING_MS * 4);
  } else if (type === 'response.output_text.delta') {
    printer.print(delta ?? '', READING_MS);
  } else if (type === 'response.content_part.added') {
    printer.print('\n  ', 0);
  }
}

interface Seen {
  id: string;
  readonly numbers: number[];
  text: string;
}

/** Reads a stream until it ends, or until `isEnough` says so. */
async function read(
  events: AsyncGenerator<ResponseEvent>,
  seen: Seen,
  printer: Printer,
  isEnough: (event: ResponseEvent) => boolean,
): Promise<boolean> {
  for await (const event of events) {
    seen.numbers.push(event.sequence_number);
    seen.id ||= event.response?.id ?? '';
    if (event.type === 'response.output_text.delta') seen.text += event.delta ?? '';
    show(event, printer);
    if (isEnough(event)) return true;
  }
  return false;
}

async function demonstrate(stack: Stack, signal: AbortSignal): Promise<boolean> {
  const [first = '', second = ''] = stack.gateways;
  const at = (gateway: string): Endpoint => ({ gateway, apiKey: stack.apiKey, signal });
  const printer = new Printer(signal);
  const seen: Seen = { id: '', numbers: [], text: '' };
  printer.print(`\nAsking gateway 0 (${first}):\n  "${QUESTION}"\n\n`, TITLE_MS);

  let words = 0;
  const wasCut = await read(ask(at(first), { model: 'demo', input: QUESTION }), seen, printer, (event) => {
    if (event.type === 'response.output_text.delta') words += 1;
    return words === WORDS_BEFORE_KILL;
  });
  if (!wasCut) throw new Error('the answer ended before the gateway could be killed');
  const victim = stack.processes().find(({ role, index }) => role === 'gateway' && index === 0);
  await stack.kill('gateway', 0, 'SIGKILL');
  const last = seen.numbers.at(-1) ?? -1;
  printer.print(`\n\n  ✖ kill -9 ${victim?.pid} (gateway 0), after event ${last}\n`, TITLE_MS);
  printer.print(`  ↻ gateway 1 (${second}), Last-Event-ID: ${last}\n\n  …`, TITLE_MS);

  await read(reattach(at(second), seen.id, last), seen, printer, () => false);
  await printer.done();
  signal.throwIfAborted();
  const response = await fetchJson(at(second), `/v1/responses/${seen.id}`);
  const isWhole = outputText(response) === seen.text;
  const fault = sequenceFault(seen.numbers) ?? (isWhole ? undefined : 'the text is not the one that was recorded');
  write(`\n\n${fault === undefined ? '✔' : '✖'} Events 0 to ${seen.numbers.length - 1}: `);
  write(`${fault ?? 'each once, in order; nothing missing, nothing twice'}.\n\n`);
  write(`The chain of steps (GET /v1/responses/${seen.id}/steps):\n\n`);
  const steps = parseSteps(await fetchJson(at(second), `/v1/responses/${seen.id}/steps`));
  write(`${stepChart(steps).replaceAll(/^/gm, '  ')}\n\n`);
  return fault === undefined;
}

async function main(): Promise<number> {
  write(INTRODUCTION);
  const interrupt = onInterrupt(() => process.exit(130));
  const { signal } = interrupt;
  const display = progressDisplay(process.stdout, 'Starting two gateways, an orchestrator and two workers');
  let stack: Stack | undefined;
  try {
    stack = await startStack({
      dataDir: DATA_DIR,
      fresh: true,
      fastPostgres: true,
      restart: false,
      replicas: { gateway: 2 },
      log: () => undefined,
      onProgress: (progress) => display.show(progress),
      signal,
    });
    display.end();
    return (await demonstrate(stack, signal)) ? 0 : 1;
  } catch (error) {
    display.end();
    if (signal.aborted) return 130;
    write(`\n${error instanceof Error ? error.message : error}\n`);
    return 1;
  } finally {
    await stack?.stop();
    if (stack !== undefined) await emptyDataDir(stack.dataDir, () => undefined);
    interrupt.dispose();
  }
}

process.exit(await main());

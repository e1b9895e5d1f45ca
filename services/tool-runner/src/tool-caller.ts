/** What all kinds of tools have in common: how a step becomes calls, and calls become an outcome. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ToolCallMeasure, ToolWork } from '@tailrace/bus';
import type { ToolResult } from '@tailrace/chain';
import { ApiError, type ErrorInfo } from '@tailrace/protocol';
import type { RegisteredTool } from '@tailrace/registry';
import { crashPoint } from '@tailrace/service';
import type { ToolArguments } from '@tailrace/tool-arguments';
import type { Delivery } from '@tailrace/worker';
import type { Finding } from './circuit.ts';
import type { Circuits } from './circuits.ts';
import { Deadline } from './deadline.ts';
import type { RateLimits } from './rate-limit.ts';
import { blotOut } from './secrets.ts';
import type { PreparedCall, ToolKind, ToolTarget } from './tool-kind.ts';

/** What a step came to. A failed call is the model's to read. */
export interface ToolOutcome {
  outcome: { result: ToolResult } | { error: ErrorInfo };
  /** The calls that were made; none when there was a reason not to. */
  calls: ToolCallMeasure[];
}

/** What a {@link ToolCaller} works with. */
export interface ToolCallerOptions {
  kinds: readonly ToolKind[];
  /** What the operator has registered under a name. */
  registered(name: string): RegisteredTool | undefined;
  checks: ToolArguments;
  circuits: Circuits;
  rates: Pick<RateLimits, 'take'>;
  /** How often a tool that may be called again is, before its call fails. */
  attempts: number;
  /** Milliseconds before the second call; doubled each time. */
  backoffMs: number;
  /** How many failures in a row open a circuit: for its error's message. */
  circuitFailures: number;
  /** The most characters of what a failed call tells its model. */
  errorChars: number;
  /** To be told of what nobody has foreseen: a mistake of ours, or arguments that are worse than anybody thought. */
  onUnexpected(error: unknown, work: ToolWork): void;
}

/** How a step came here, as far as it matters to tools. */
export type ToolDelivery = Pick<Delivery, 'attempt' | 'begin' | 'hold' | 'mayHaveBegun' | 'announce'>;

type Once = Pick<ToolOutcome, 'outcome'> & { measure: ToolCallMeasure };

/** What may be different another time. */
const RETRYABLE_STATUS = new Set([429, 502, 503, 504]);

/** See the file's head. */
export class ToolCaller {
  readonly #options: ToolCallerOptions;

  constructor(options: ToolCallerOptions) {
    this.#options = options;
  }

  /**
   * Makes the call that a step asks for, and makes it again if that is safe and may help. Rejects only when `signal` is
   * aborted, and when what counts calls cannot be asked.
   */
  async run(work: ToolWork, delivery: ToolDelivery, signal: AbortSignal): Promise<ToolOutcome> {
    const calls: ToolCallMeasure[] = [];
    try {
      const target = this.#foreseen(work, () => this.#targetOf(work));
      if (!target.idempotent && delivery.attempt > 1 && (await delivery.mayHaveBegun())) {
        throw new ApiError('tool_interrupted');
      }
      const known = target.known?.();
      if (known) return { outcome: { result: known }, calls };
      const call = this.#foreseen(work, () =>
        target.prepare(this.#options.checks.check(work.arguments, work.parameters)),
      );
      return { outcome: await this.#calls(work, target, call, delivery, signal, calls), calls };
    } catch (error) {
      if (error instanceof ApiError) return { outcome: { error: error.info }, calls };
      throw error;
    }
  }

  /** Gives up what is under way. */
  async close(): Promise<void> {
    await Promise.all(this.#options.kinds.map((kind) => kind.close()));
  }

  /**
   * What comes before a call asks nobody, so it would fail in the same way each time: whatever it throws is the outcome.
   * @throws ApiError
   */
  #foreseen<T>(work: ToolWork, decide: () => T): T {
    try {
      return decide();
    } catch (error) {
      if (error instanceof ApiError) throw error;
      this.#options.onUnexpected(error, work);
      throw new ApiError('internal_error', {}, { cause: error });
    }
  }

  #targetOf(work: ToolWork): ToolTarget {
    const at = work.mcp?.server.at;
    const name = at && 'registered' in at ? at.registered : work.tool;
    const registered = this.#options.registered(name);
    for (const kind of this.#options.kinds) {
      const target = kind.target(work, registered);
      if (target) return target;
    }
    throw new ApiError('tool_unavailable', { name });
  }

  async #calls(
    work: ToolWork,
    target: ToolTarget,
    call: PreparedCall,
    delivery: ToolDelivery,
    signal: AbortSignal,
    calls: ToolCallMeasure[],
  ): Promise<ToolOutcome['outcome']> {
    const { attempts, backoffMs } = this.#options;
    for (let wait = backoffMs; ; wait *= 2) {
      const { outcome, measure } = await this.#admitted(target, signal, async () => {
        // What may not be done twice is not begun before others can know of it.
        if (target.idempotent) {
          await delivery.hold();
        } else {
          await delivery.begin();
          crashPoint('after-tool-begin');
        }
        return this.#once(work, target, call, delivery, signal);
      });
      calls.push(measure);
      crashPoint('after-tool-call');
      const enough = !target.idempotent || calls.length >= attempts;
      if ('result' in outcome || enough || !mayHelp(measure)) return outcome;
      await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }

  /** Makes a call when its source may be called, and remembers what it says of it. */
  async #admitted(target: ToolTarget, signal: AbortSignal, once: () => Promise<Once>): Promise<Once> {
    const { circuits, rates, circuitFailures } = this.#options;
    const { id, callsPerMinute } = target.source;
    const leftAlone = () => new ApiError('tool_circuit_open', { failures: circuitFailures });
    if (callsPerMinute !== null) {
      // What would not be called anyway waits for nothing, and takes nobody's turn.
      if (!circuits.admits(id)) throw leftAlone();
      await rates.take(id, callsPerMinute, signal);
    }
    // Asked after the wait: the source may have failed meanwhile, and who finds out how it is does so at once.
    if (!circuits.admit(id)) throw leftAlone();
    let finding: Finding = 'unknown';
    try {
      const done = await once();
      finding = findingOf(done.measure);
      return done;
    } finally {
      circuits.record(id, finding);
    }
  }

  async #once(
    work: ToolWork,
    target: ToolTarget,
    call: PreparedCall,
    delivery: ToolDelivery,
    signal: AbortSignal,
  ): Promise<Once> {
    const tool = nameOf(work);
    const mark = await delivery.announce({ kind: 'tool', tool });
    const measure: ToolCallMeasure = { mark, tool, status: null, durationMs: 0, errorCode: null };
    const deadline = new Deadline(target.timeoutMs);
    const startedAt = performance.now();
    try {
      const result = await call({
        headers: {
          'idempotency-key': work.stepId,
          'x-client-request-id': mark.id,
          traceparent: `00-${work.correlationId}-${randomBytes(8).toString('hex')}-01`,
        },
        signal: AbortSignal.any([signal, deadline.signal]),
        answered: (status) => {
          measure.status = status;
        },
      });
      return { outcome: { result: { ...result, output: blotOut(result.output, target.secrets) } }, measure };
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = deadline.signal.aborted ? new ApiError('tool_timeout', { ms: target.timeoutMs }) : error;
      if (!(failure instanceof ApiError)) throw failure;
      measure.errorCode = failure.code;
      const { code, message } = failure.info;
      return { outcome: { error: { code, message: this.#shortened(blotOut(message, target.secrets)) } }, measure };
    } finally {
      deadline.close();
      measure.durationMs = Math.round(performance.now() - startedAt);
    }
  }

  /** The beginning of what a tool says. Only after its secrets have been taken out: of one that is cut nothing would be found. */
  #shortened(text: string): string {
    return text.slice(0, this.#options.errorChars).toWellFormed();
  }
}

/** What a call is counted under: a server's tools under their server. */
function nameOf({ tool, mcp }: ToolWork): string {
  if (!mcp) return tool;
  return `${mcp.server.label}.${mcp.act.do === 'list' ? 'tools/list' : mcp.act.name}`;
}

function mayHelp({ status, errorCode }: ToolCallMeasure): boolean {
  return errorCode === 'tool_unreachable' || (status !== null && RETRYABLE_STATUS.has(status));
}

/** A source that answers works, whatever it says of the request. */
function findingOf({ status, errorCode }: ToolCallMeasure): Finding {
  switch (errorCode) {
    case 'tool_unreachable':
    case 'tool_timeout':
    case 'tool_invalid_answer':
      return 'fails';
    default:
      return status !== null && (status >= 500 || status === 429) ? 'fails' : 'works';
  }
}

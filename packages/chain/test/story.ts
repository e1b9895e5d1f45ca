/** A response told by hand: what its models answer and its tools come to, one entry of the journal after the other. */
import type { ErrorInfo, UnnumberedEvent } from '@tailrace/protocol';
import {
  type AcceptedRequest,
  begin,
  type CheckArguments,
  expireScope,
  type McpServer,
  type ModelStep,
  type PublishedInScope,
  project,
  type RecordedItem,
  recordOutcome,
  type Scope,
  type Step,
  type StepOutcome,
  type ToolResult,
  type ToolStep,
  type Transition,
} from '../src/index.ts';
import { recordOf, stepId } from './chains.ts';

const TIME = 1_700_000_000_000;

type ItemMaker = (step: string, position: number) => RecordedItem;

/** See the file's head. */
export class Story {
  now: Transition;
  readonly #overdue = new Set<string>();
  readonly #turn: number;
  readonly #check: CheckArguments;

  constructor(
    request: AcceptedRequest,
    { turn = 0, check = () => null }: { turn?: number; check?: CheckArguments } = {},
  ) {
    this.#turn = turn;
    this.#check = check;
    const { entries: _entries, nextEvent: _next, ...fresh } = recordOf(request);
    this.now = begin(fresh, this.#context([]));
  }

  get chain(): readonly Step[] {
    return this.now.chain;
  }

  get events(): UnnumberedEvent[] {
    const { record, chain } = this.now;
    return project(record, chain, record.entries - 1);
  }

  /** The model call that is open in a scope. */
  model(scope: Scope = null): ModelStep {
    const step = this.chain.findLast((each) => each.kind === 'model_call' && each.parentStepId === scope);
    if (step?.kind !== 'model_call') throw new Error('no model is called there');
    return step;
  }

  /** The call of that name, the last one; of a list, the label. */
  tool(name: string): ToolStep {
    const step = this.chain.findLast((each) => each.kind === 'tool_call' && each.request.tool === name);
    if (step?.kind !== 'tool_call') throw new Error(`nobody has called ${name}`);
    return step;
  }

  /** The open model call of a scope is answered. */
  answer(items: ItemMaker[], scope: Scope = null, error: ErrorInfo | null = null): this {
    const step = this.model(scope);
    const result = {
      items: items.map((make, position) => make(step.id, position)),
      finish: 'stop' as const,
      usage: null,
    };
    const { nextEvent } = this.now.record;
    return this.#record(step, { kind: 'model_call', result, error, nextEvent, events: 0 });
  }

  /** A call comes to something. */
  end(name: string, outcome: ToolResult | ErrorInfo): this {
    const told = 'code' in outcome ? { error: outcome } : { result: outcome };
    return this.#record(this.tool(name), { kind: 'tool_call', outcome: told });
  }

  /** The time of an agent's call is up, and those of all who were named before. */
  late(scope: string): this {
    this.#overdue.add(scope);
    return this;
  }

  /** What an agent has open is broken off, because its time is up. */
  expire(scope: string, published: PublishedInScope = { partial: new Map(), events: 0 }): this {
    const { record, chain } = this.now;
    const next = expireScope(record, chain, scope, published, this.#context(chain));
    if (!next) throw new Error('it has ended already');
    this.now = next;
    return this;
  }

  #record(step: Step, report: StepOutcome): this {
    const { record, chain } = this.now;
    const told = { ...report, stepId: step.id, attempt: 1, startedAt: 0 };
    const next = recordOutcome(record, chain, told, this.#context(chain));
    if (!next) throw new Error('there is nothing to record');
    this.now = next;
    return this;
  }

  #context(chain: readonly Step[]) {
    let made = chain.length;
    const newId = () => stepId(++made, this.#turn);
    return { now: TIME, newId, overdue: this.#overdue, checkArguments: this.#check };
  }
}

/** Where a server is that a client has named; its secrets as if they were sealed. */
export const requestedAt = (digest: string): Exclude<McpServer['at'], { registered: string }> => ({
  url: `sealed ${digest}`,
  digest,
  shown: `https://${digest}.example/<redacted>`,
  headers: { authorization: `sealed ${digest}` },
});

/** An MCP server. */
export const server = (label: string, fields: Partial<McpServer> = {}): McpServer => ({
  label,
  description: null,
  at: requestedAt(label),
  allowed_tools: null,
  require_approval: 'never',
  inner: false,
  ...fields,
});

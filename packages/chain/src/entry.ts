/** One journal entry: what it does to the steps of a chain. Pure. */
import type { StepId } from '@tailrace/protocol';
import type { ResponseRecord } from './accepted.ts';
import type { CheckArguments, NewStep } from './new-steps.ts';
import { project } from './project.ts';
import { type Scope, type Step, stepsOf, type ToolStep } from './step.ts';

/** A response's chain after an entry. */
export interface Transition {
  record: ResponseRecord;
  chain: Step[];
  /** The steps whose outcomes the entry records. */
  changed: Step[];
  /** The steps that the entry adds, in their order. */
  added: Step[];
}

/** When, and under which names. Times are milliseconds since the epoch. */
export interface TransitionContext {
  now: number;
  newId(): StepId;
  /** The calls of agents whose time is up: who keeps the chain has the clock that they are timed by. */
  overdue: ReadonlySet<StepId>;
  /** The arguments of agents are checked here: no worker sees them. */
  checkArguments: CheckArguments;
}

/** A journal entry that is being written. */
export class Entry {
  record: ResponseRecord;
  chain: readonly Step[];
  readonly #before: readonly Step[];

  constructor(record: ResponseRecord, chain: readonly Step[]) {
    this.record = record;
    this.chain = chain.toSorted((a, b) => a.sequence - b.sequence);
    this.#before = this.chain;
  }

  /** The step has come to its outcome. */
  end(step: Step, fields: Partial<Pick<Step, 'attempt' | 'startedAt'>> & { endedAt: number }): void {
    const ended: Step = { ...step, ...fields, endedEntry: this.record.entries };
    this.chain = this.chain.map((each) => (each.id === ended.id ? ended : each));
  }

  /** A step is added at the end of a scope. */
  add(step: NewStep, scope: Scope, { now, newId }: TransitionContext): Step {
    const base = {
      id: newId(),
      parentStepId: scope,
      prevStepId: stepsOf(this.chain, scope).at(-1)?.id ?? null,
      sequence: this.chain.length + 1,
      attempt: 1,
      addedEntry: this.record.entries,
      createdAt: now,
    };
    const open = { ...base, endedEntry: null, startedAt: null, endedAt: null };
    const made: Step =
      step.kind === 'model_call'
        ? { ...open, kind: step.kind, request: step.request, outcome: { state: 'pending' } }
        : { ...open, kind: step.kind, request: step.request, outcome: step.outcome, ...this.#times(step.outcome, now) };
    this.chain = [...this.chain, made];
    return made;
  }

  /** What follows, with the events of the entry counted. */
  transition(): Transition {
    const { record, chain } = this;
    const events = project(record, chain, record.entries - 1).length;
    return {
      record: { ...record, nextEvent: record.nextEvent + events },
      chain: [...chain],
      changed: chain.slice(0, this.#before.length).filter((step, index) => step !== this.#before[index]),
      added: chain.slice(this.#before.length),
    };
  }

  #times({ state }: ToolStep['outcome'], now: number): Pick<Step, 'startedAt' | 'endedAt' | 'endedEntry'> {
    switch (state) {
      case 'pending':
        return { startedAt: null, endedAt: null, endedEntry: null };
      case 'processing':
        return { startedAt: now, endedAt: null, endedEntry: null };
      case 'completed':
      case 'failed':
      case 'canceled':
        return { startedAt: null, endedAt: now, endedEntry: this.record.entries };
    }
  }
}

/** What holds in every world, and the parts of a chain that such claims are about. */
import fc from 'fast-check';
import { isScopeStep, type Scope, type Step } from '../src/index.ts';
import { type Moment, play } from './play.ts';
import { type World, worlds } from './world.ts';

/** Plays worlds, and checks what came of each. */
export function everyWorld(check: (moments: Moment[], world: World) => void, numRuns = 300): void {
  fc.assert(
    fc.property(worlds, (world) => check(play(world), world)),
    { numRuns },
  );
}

/** The end of a world. */
export const lastOf = (moments: readonly Moment[]): Moment => {
  const last = moments.at(-1);
  if (!last) throw new Error('a played world has moments');
  return last;
};

/** The model calls among steps. */
export const models = (steps: readonly Step[]) => steps.filter((step) => step.kind === 'model_call');
/** The tool calls among steps. */
export const tools = (steps: readonly Step[]) => steps.filter((step) => step.kind === 'tool_call');
/** The calls of agents among steps. */
export const agents = (steps: readonly Step[]) => steps.filter(isScopeStep);
/** The scopes of a chain, the response's own first. */
export const scopes = (chain: readonly Step[]): Scope[] => [null, ...agents(chain).map((step) => step.id)];
/** Whether a step is a call that was run, as far as limits count it. */
export const isRun = (step: Step): boolean =>
  step.kind === 'tool_call' && step.request.mcp?.do !== 'list' && step.endedEntry !== step.addedEntry;

/** What happens inside agents, as clients are shown it: `tailrace.progress` events. */
import { Output, type Resource } from './fold.ts';
import { eventIn, type Frame, type StreamEvent } from './frame.ts';

/** The name of the events. */
export const PROGRESS = 'tailrace.progress';

/** An event inside an agent. Steps are named as clients name them. */
export interface Progress {
  number: number;
  step: string;
  parent: string;
  depth: number;
  /** The inner event, under the number of the outer one. */
  event: StreamEvent;
}

/** The progress in a stream. */
export function progressIn(frames: readonly Frame[]): Progress[] {
  return frames
    .filter(({ type }) => type === PROGRESS)
    .map((frame) => {
      const { sequence_number: number, step_id, parent_step_id, depth, event } = eventIn(frame);
      const inner = event as Omit<StreamEvent, 'sequence_number'>;
      return {
        number,
        step: String(step_id),
        parent: String(parent_step_id),
        depth: Number(depth),
        event: { ...inner, type: String(inner.type), sequence_number: number },
      };
    });
}

/** What happened in the scope of one agent. */
export interface AgentOutput {
  output: Output;
  /** The items that have ended, by the step that has made them. */
  byStep: Map<string, Resource[]>;
}

/**
 * Folds the progress of each agent for itself, by the call that the agent answers.
 * @throws Unfoldable when the events of one of them do not follow from each other.
 */
export function foldProgress(progress: readonly Progress[]): Map<string, AgentOutput> {
  const agents = new Map<string, AgentOutput>();
  for (const { parent, step, event } of progress) {
    const agent = agents.get(parent) ?? { output: new Output(), byStep: new Map() };
    agents.set(parent, agent);
    agent.output.take(event);
    if (event.type !== 'response.output_item.done') continue;
    agent.byStep.set(step, [...(agent.byStep.get(step) ?? []), event.item as Resource]);
  }
  return agents;
}

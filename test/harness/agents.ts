/** Agents three levels deep, and scripts that make the demo model call them. */
import type { LocalConfig } from '@tailrace/cli';
import type { ResponseEvent } from '@tailrace/protocol';
import { type Script, script } from './scripts.ts';
import { eventOf } from './sse.ts';
import type { TestStack } from './stack.ts';

const SHARED = { kind: 'agent', groups: ['everyone'], models: ['demo'], model: 'demo' };

/**
 * `researcher` asks `analyst`, who asks `reader`; all three can `look`, which is a tool of the demo model's server at
 * `url`. `mirror` can only ask itself.
 */
export function agentConfig(url: string): LocalConfig {
  const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  return {
    tools: [
      {
        name: 'look',
        kind: 'http',
        groups: ['everyone'],
        models: ['demo'],
        description: 'Looks at a city.',
        parameters: city,
        url: `${url}/tools/get_weather`,
        concurrency: 32,
        idempotent: true,
      },
      { ...SHARED, name: 'researcher', instructions: 'You are the researcher.', tools: ['analyst', 'look'] },
      { ...SHARED, name: 'analyst', instructions: 'You are the analyst.', tools: ['reader', 'look'] },
      { ...SHARED, name: 'reader', instructions: 'You are the reader.', tools: ['look'] },
      { ...SHARED, name: 'mirror', instructions: 'You are the mirror.', tools: ['mirror'] },
      {
        ...SHARED,
        name: 'brief',
        instructions: 'You are brief.',
        tools: ['look'],
        max_iterations: 2,
        max_tool_calls: 3,
      },
      { ...SHARED, name: 'hasty', instructions: 'You are hasty.', tools: ['look'], timeout_ms: 300 },
      { ...SHARED, name: 'exact', instructions: 'You are exact.', parameters: city },
    ],
  };
}

/** A line that calls an agent, whose own model is told the script. */
export function ask(agent: string, inner: Script | string): string {
  return `!call ${agent} ${JSON.stringify({ input: typeof inner === 'string' ? inner : inner.text })}`;
}

/** A line that looks at a city. */
export function look(city: string, ms = 0): string {
  return `!call look ${JSON.stringify(ms === 0 ? { city } : { city, _ms: ms })}`;
}

/**
 * Three levels of agents, two at once on each of the upper ones: ten agents in all. `last` is what the
 * innermost ones say.
 */
export function threeLevels(last: string[] = ['!text 6 5']): Script & { modelCalls: number } {
  const marker = `tree-${crypto.randomUUID()}`;
  const reader = (name: string) => script(marker, `!say ${name} looks. `, look(`${marker}-${name}`), '!turn', ...last);
  const analyst = (name: string) =>
    script(marker, ask('reader', reader(`${name}-reader`)), '!turn', `!say ${name} is done.`);
  const researcher = (name: string) =>
    script(
      marker,
      ask('analyst', analyst(`${name}-a`)),
      ask('analyst', analyst(`${name}-b`)),
      '!turn',
      `!say ${name} is done.`,
    );
  const { text } = script(
    marker,
    ask('researcher', researcher('one')),
    ask('researcher', researcher('two')),
    look(`${marker}-top`),
    '!turn',
    '!say All done.',
  );
  // Each scope asks its model twice: the response, two researchers, four analysts, four readers.
  return { text, marker, modelCalls: 2 * (1 + 2 + 4 + 4) };
}

/** A step as `/steps` shows it, as far as these tests look at it. */
export interface StepNode {
  id: string;
  kind: 'model_call' | 'tool_call';
  state: string;
  name: string;
  tool_type: string | null;
  attempt: number;
  call_id: string | null;
  error: { code: string } | null;
  usage: { total_tokens: number; input_tokens: number; output_tokens: number } | null;
  started_at: string | null;
  ended_at: string | null;
  children: StepNode[];
}

/** The steps of a response, as a tree. */
export async function stepsOf(stack: TestStack, id: string): Promise<StepNode[]> {
  const answer = await stack.fetch(`/v1/responses/${id}/steps`);
  const body = (await answer.json()) as { data: StepNode[] };
  return body.data;
}

/** All steps of a tree, each before those below it. */
export function flat(nodes: readonly StepNode[]): StepNode[] {
  return nodes.flatMap((node) => [node, ...flat(node.children)]);
}

/** The tree in names: `researcher(demo, look, demo)`. */
export function outline(nodes: readonly StepNode[]): string {
  return nodes.map(({ name, children }) => (children.length === 0 ? name : `${name}(${outline(children)})`)).join(', ');
}

/** The progress in a stream. */
export type Progress = Extract<ResponseEvent, { type: 'tailrace.progress' }>;
export function progressIn(frames: readonly string[]): Progress[] {
  return frames.map(eventOf).flatMap((event) => (event.type === 'tailrace.progress' ? [event] : []));
}

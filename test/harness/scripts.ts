/** Questions that make the demo model do a certain thing. */
import { randomUUID } from 'node:crypto';

/** A script of the demo model, one line each; the marker makes it findable among the model's calls. */
export interface Script {
  text: string;
  marker: string;
}

/** Lines of the demo model's script language (its README has them all), with a marker of their own. */
export function script(...lines: string[]): Script {
  const marker = `test-${randomUUID()}`;
  return { text: [marker, ...lines].join('\n'), marker };
}

/** Three model calls: reasoning and two tools in parallel, then one tool, then an answer of `chunks` chunks. */
export function threeSteps(options: { toolMs?: number; chunks?: number; chunkMs?: number } = {}): Script {
  const { toolMs = 50, chunks = 20, chunkMs = 5 } = options;
  return script(
    '!reasoning 4 2',
    `!call get_weather {"city":"Paris","_ms":${toolMs}}`,
    `!call get_time {"city":"Paris","_ms":${Math.ceil(toolMs / 2)}}`,
    '!turn',
    '!say One more look.',
    `!call get_weather {"city":"Oslo","_ms":${toolMs}}`,
    '!turn',
    '!reasoning 3 2',
    `!text ${chunks} ${chunkMs}`,
  );
}

import { type Directive, DirectiveError, parseDirective } from './directive.ts';

/** Something a turn produces, in the order written. Delays are milliseconds before each chunk. */
export type Segment =
  | { kind: 'reasoning' | 'summary' | 'text' | 'vary'; count: number; delayMs: number }
  | { kind: 'say' | 'refuse' | 'json'; text: string; delayMs: number }
  | { kind: 'cite'; url: string; title: string }
  | { kind: 'call'; tool: string; arguments: string };

/**
 * A way a turn goes wrong. `times` is how many requests it happens to (null: all), `line` its 1-based line in the
 * prompt, `after` the number of content chunks before it.
 */
export type Fault =
  | {
      kind: 'error';
      status: number;
      retryAfter: string | null;
      message: string | null;
      times: number | null;
      line: number;
    }
  | { kind: 'cut' | 'hang' | 'stream-error'; after: number; times: number | null; line: number };

/** Token counts of one turn. */
export interface Usage {
  prompt: number;
  completion: number;
  cached: number;
  reasoning: number;
}

/** What the model does in one turn. */
export interface Turn {
  segments: Segment[];
  faults: Fault[];
  /** All tool calls in one chunk instead of in fragments. */
  wholeCalls: boolean;
  /** Overrides the finish reason. */
  finish: string | null;
  /** `default` counts characters and chunks; null sends none. */
  usage: Usage | 'default' | null;
  /** The service tier that is told; null tells none. */
  tier: string | null;
}

/** The turns of a prompt, or the reason why it is not a script. `turns` is null where there are no directives. */
export type ParsedScript = { ok: true; turns: Turn[] | null } | { ok: false; message: string };

const maxChunksPerTurn = 1_000_000;

/** A turn that produces nothing yet. */
export function emptyTurn(): Turn {
  return { segments: [], faults: [], wholeCalls: false, finish: null, usage: 'default', tier: null };
}

/** Reads the directives (lines that start with `!`) of a prompt. Never throws; a bad line is named in the message. */
export function parseScript(text: string): ParsedScript {
  if (!text.includes('!')) return { ok: true, turns: null };
  let current = emptyTurn();
  const turns = [current];
  let directives = 0;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (!line.trimStart().startsWith('!')) continue;
    directives += 1;
    try {
      const directive = parseDirective(line.trim(), index + 1);
      if (directive.kind === 'turn') {
        current = emptyTurn();
        turns.push(current);
      } else {
        apply(directive, current);
      }
    } catch (error) {
      if (!(error instanceof DirectiveError)) throw error;
      return { ok: false, message: `Line ${index + 1} of the script, "${clip(line.trim())}": ${error.message}` };
    }
  }
  return { ok: true, turns: directives === 0 ? null : turns };
}

function apply(directive: Exclude<Directive, { kind: 'turn' }>, turn: Turn): void {
  switch (directive.kind) {
    case 'segment':
      turn.segments.push(directive.segment);
      if (countedChunks(turn) > maxChunksPerTurn) {
        throw new DirectiveError(`a turn has at most ${maxChunksPerTurn} chunks`);
      }
      return;
    case 'fault':
      turn.faults.push(directive.fault);
      return;
    case 'whole-calls':
      turn.wholeCalls = true;
      return;
    case 'finish':
      turn.finish = directive.reason;
      return;
    case 'usage':
      turn.usage = directive.usage;
      return;
    case 'tier':
      turn.tier = directive.tier;
  }
}

function countedChunks(turn: Turn): number {
  return turn.segments.reduce((sum, segment) => sum + ('count' in segment ? segment.count : 0), 0);
}

function clip(line: string): string {
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}

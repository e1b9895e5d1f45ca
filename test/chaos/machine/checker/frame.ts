/** Server-Sent Events as the API sends them: `event`, `id` and `data`, a line each. */

/** A parsed event. */
export interface StreamEvent {
  type: string;
  sequence_number: number;
  [field: string]: unknown;
}

/** What a frame says without its data being read. */
export interface Frame {
  /** Milliseconds since the epoch: when it was received or stored. */
  at: number;
  text: string;
  /** The number in its `id` line; NaN when there is none. */
  number: number;
  /** The name in its `event` line; empty when there is none. */
  type: string;
}

const ID = /^id: (\d+)$/m;
const EVENT = /^event: (.+)$/m;
const FRAME = /^event: ([^\n]+)\nid: (\d+)\ndata: (\{[^\n]*\})$/;
const TERMINAL = new Set(['response.completed', 'response.failed', 'response.incomplete']);

/** A frame's lines, read. */
export function readFrame(text: string, at: number): Frame {
  const head = text.slice(0, 256);
  return { at, text, number: Number(ID.exec(head)?.[1] ?? Number.NaN), type: EVENT.exec(head)?.[1] ?? '' };
}

/** Whether nothing may follow it. */
export const isTerminal = ({ type }: Frame): boolean => TERMINAL.has(type);

/** A text is not the frame of an event. */
export class MalformedFrame extends Error {
  constructor(text: string, why: string) {
    super(`${why}: ${JSON.stringify(text.slice(0, 120))}`);
    this.name = 'MalformedFrame';
  }
}

/**
 * The event in a frame.
 * @throws MalformedFrame
 */
export function eventIn({ text }: Pick<Frame, 'text'>): StreamEvent {
  const [, name, id, data] = FRAME.exec(text) ?? [];
  if (data === undefined) throw new MalformedFrame(text, 'not three lines of event, id and data');
  const event = parse(text, data);
  if (event.type !== name) throw new MalformedFrame(text, `the data says ${String(event.type)}`);
  if (String(event.sequence_number) !== id)
    throw new MalformedFrame(text, `the data says ${String(event.sequence_number)}`);
  return event as StreamEvent;
}

function parse(text: string, data: string): Record<string, unknown> {
  try {
    return JSON.parse(data) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) throw new MalformedFrame(text, 'the data is not JSON');
    throw error;
  }
}

const OPENAI_NAME = /^(event: |data: \{"type":")response\.reasoning_text\./gm;

/** A frame with the specification's names, where the client had asked for OpenAI's. */
export function withSpecifiedNames(text: string): string {
  return text.replace(OPENAI_NAME, '$1response.reasoning.');
}

/** One item of a Responses server's answer, as far as it has been told on. Pure. */
import type { Annotation, LogProb } from '@tailrace/protocol';
import type { OutputOp, Phase } from './model-op.ts';

/** What a piece belongs to: the item's parts are told apart by their list and their index there. */
export type PartName = `${'summary' | 'content'} ${number}`;

/** What an item is. */
export type ItemKind = 'message' | 'reasoning' | 'function_call';

type Said = Extract<OutputOp, { text: string }>['type'];

interface Told {
  text: string;
  annotations: number;
}

/** See the file's head. */
export class UpstreamItem {
  kind: ItemKind;
  phase: Phase | null = null;
  /** The id under which the server has said that it begins; null before. */
  announced: string | null = null;
  /** Nothing more is heard of it. */
  ended = false;
  /** Of a call: its place among the calls of the answer. */
  readonly ordinal: number;
  callId: string | null = null;
  name: string | null = null;
  readonly #told = new Map<PartName, Told>();
  /** Arguments that came before the call's name. */
  #held = '';
  #begun = false;
  readonly #current: Record<'summary' | 'content', PartName | undefined> = { summary: undefined, content: undefined };

  constructor(kind: ItemKind, ordinal: number) {
    this.kind = kind;
    this.ordinal = ordinal;
  }

  /** More of a part. */
  say(type: Exclude<Said, 'arguments'>, part: PartName, text: string, logprobs: LogProb[]): OutputOp[] {
    if (text === '') return [];
    this.#toldOf(part).text += text;
    const said: OutputOp = type === 'text' && logprobs.length > 0 ? { type, text, logprobs } : { type, text };
    return [...this.#turnTo(part), said];
  }

  /** All of a part: what has not been told yet is. */
  sayAll(type: Exclude<Said, 'arguments'>, part: PartName, text: string, logprobs: LogProb[]): OutputOp[] {
    return this.say(type, part, rest(this.#toldOf(part).text, text), logprobs);
  }

  /** A source of a part that takes more; `number` is its place among the sources that the upstream tells of it. */
  cite(part: PartName, number: number, annotation: Annotation): OutputOp[] {
    const told = this.#toldOf(part);
    if (number < told.annotations || this.#current.content !== part) return [];
    told.annotations += 1;
    return [{ type: 'annotation', annotation }];
  }

  /** How many sources of a part have been told. */
  cited(part: PartName): number {
    return this.#toldOf(part).annotations;
  }

  /** A call, once its name is known. */
  begin(): OutputOp[] {
    if (this.#begun || !this.name) return [];
    this.#begun = true;
    const held = this.#held;
    this.#held = '';
    const { ordinal: index, callId: id, name } = this;
    const begun: OutputOp = { type: 'call', index, id, name };
    return held === '' ? [begun] : [begun, { type: 'arguments', index, text: held }];
  }

  /** Whether it is a call that nobody has named. */
  get isNameless(): boolean {
    return this.kind === 'function_call' && !this.#begun;
  }

  /** More of a call's arguments. */
  addArguments(text: string): OutputOp[] {
    if (text === '') return [];
    this.#toldOf('content 0').text += text;
    if (this.#begun) return [{ type: 'arguments', index: this.ordinal, text }];
    this.#held += text;
    return [];
  }

  /** All of a call's arguments. */
  addAllArguments(text: string): OutputOp[] {
    return this.addArguments(rest(this.#toldOf('content 0').text, text));
  }

  #turnTo(part: PartName): OutputOp[] {
    const list = part.startsWith('summary') ? 'summary' : 'content';
    const before = this.#current[list];
    this.#current[list] = part;
    return before === undefined || before === part ? [] : [{ type: 'part' }];
  }

  #toldOf(part: PartName): Told {
    const told = this.#told.get(part) ?? { text: '', annotations: 0 };
    this.#told.set(part, told);
    return told;
  }
}

/** What is still to be told of a text. A text that does not begin as it was told has been told otherwise: it stands. */
function rest(told: string, all: string): string {
  return all.startsWith(told) ? all.slice(told.length) : '';
}

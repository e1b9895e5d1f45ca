/** What a model says, free of its server's dialect. */
import type { FinishReason } from '@tailrace/chain';
import type { Annotation, LogProb, OutputMessage, Usage } from '@tailrace/protocol';

/** What a message is for, where a model says so. */
export type Phase = NonNullable<OutputMessage['phase']>;

/** A piece of a model's output. */
export type OutputOp =
  | { type: 'reasoning' | 'summary' | 'refusal'; text: string }
  | { type: 'text'; text: string; logprobs?: LogProb[] }
  /** Of the text that is being told. */
  | { type: 'annotation'; annotation: Annotation }
  /** The reasoning that is being told, in a form that only its maker can read. */
  | { type: 'encrypted'; content: string }
  /** A call begins; `index` tells it from its siblings. */
  | { type: 'call'; index: number; id: string | null; name: string }
  | { type: 'arguments'; index: number; text: string }
  /** What follows is another part of the same item. */
  | { type: 'part' }
  /** What follows is another item. */
  | { type: 'item'; phase: Phase | null };

/** A piece of a model's answer. */
export type ModelOp =
  | OutputOp
  | { type: 'finish'; reason: FinishReason }
  | { type: 'usage'; usage: Usage }
  /** The class of service that was given. */
  | { type: 'service_tier'; tier: string };

/** Reads the stream of one answer. */
export interface Translator {
  /**
   * The operations in one parsed `data:` line, or in the whole answer of a server that does not stream.
   * @throws ApiError `upstream_error` for an error that the server tells, `upstream_invalid` for what is no answer.
   */
  translate(value: unknown): ModelOp[];
  /**
   * The stream is over.
   * @throws ApiError `upstream_invalid` when it ends in the middle of something.
   */
  end(): void;
}

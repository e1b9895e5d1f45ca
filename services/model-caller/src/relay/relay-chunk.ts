/** What a piece of an answer that is passed on tells of it. Pure. */
import { ApiError, type Usage } from '@tailrace/protocol';
import { z } from 'zod';
import { toUsage } from '../usage.ts';

/** See the file's head. */
export interface RelayChunk {
  /** There is output in it, or it is the end: what a client has seen of it cannot be taken back. */
  output: boolean;
  /** The upstream has said all there is of a choice. */
  finished: boolean;
  usage: Usage | null;
  /** Nothing but usage is in it. */
  onlyUsage: boolean;
  /** Characters of output. */
  chars: number;
}

const tokens = z.number().nullish();
const chunkShape = z.object({
  choices: z
    .array(
      z.object({
        delta: z.record(z.string(), z.unknown()).nullish(),
        message: z.record(z.string(), z.unknown()).nullish(),
        text: z.string().nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  data: z.array(z.unknown()).nullish(),
  usage: z
    .object({
      prompt_tokens: tokens,
      completion_tokens: tokens,
      total_tokens: tokens,
      prompt_tokens_details: z.object({ cached_tokens: tokens }).nullish(),
      completion_tokens_details: z.object({ reasoning_tokens: tokens }).nullish(),
    })
    .nullish(),
  error: z.unknown().optional(),
  object: z.unknown().optional(),
  message: z.unknown().optional(),
});

/**
 * Reads a parsed chunk of a stream, or a whole answer.
 * @throws ApiError `upstream_error` for an error that the server tells, `upstream_invalid` for what is no answer.
 */
export function readRelayChunk(value: unknown): RelayChunk {
  const result = chunkShape.safeParse(value);
  if (!result.success) {
    throw new ApiError('upstream_invalid', { reason: result.error.issues[0]?.message ?? 'unknown shape' });
  }
  const { choices, usage, error, object, message } = result.data;
  if (error || object === 'error') {
    throw new ApiError('upstream_error', {
      status: 'in its answer',
      reason: reasonIn(error) ?? reasonIn(message) ?? '',
    });
  }
  const said = (choices ?? []).map(
    ({ delta, message: whole, text }) => charsIn(delta) + charsIn(whole) + (text?.length ?? 0),
  );
  const chars = said.reduce((sum, each) => sum + each, 0);
  const finished = (choices ?? []).some(({ finish_reason: reason }) => Boolean(reason));
  return {
    output: chars > 0 || finished,
    finished,
    usage: usage
      ? toUsage({
          input: usage.prompt_tokens,
          cached: usage.prompt_tokens_details?.cached_tokens,
          output: usage.completion_tokens,
          reasoning: usage.completion_tokens_details?.reasoning_tokens,
          total: usage.total_tokens,
        })
      : null,
    onlyUsage: Boolean(usage) && choices?.length === 0,
    chars,
  };
}

function reasonIn(error: unknown): string | null {
  if (typeof error === 'string') return error;
  const { message } = z.object({ message: z.string() }).safeParse(error).data ?? {};
  return message ?? null;
}

/** Levels of a delta that are looked into: a call's arguments are three down. */
const DEPTH = 6;

/** Text of a delta, but for who speaks: one that only names its role says nothing. */
function charsIn(value: unknown, key = '', depth = 0): number {
  if (typeof value === 'string') return key === 'role' || key === 'type' ? 0 : value.length;
  if (typeof value !== 'object' || value === null || depth === DEPTH) return 0;
  return Object.entries(value).reduce((sum, [name, inner]) => sum + charsIn(inner, name, depth + 1), 0);
}

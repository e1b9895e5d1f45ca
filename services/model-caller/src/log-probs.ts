/** Log probabilities as both dialects tell them, in the form of the API. */
import type { LogProb } from '@tailrace/protocol';
import { z } from 'zod';

const token = z.object({ token: z.string(), logprob: z.number().nullish(), bytes: z.array(z.int()).nullish() });
const list = z.array(token.extend({ top_logprobs: z.array(token).nullish() }));

/** What stands for a probability that is too small to tell. */
const UNLIKELY = -9999;

/** A list of log probabilities; empty for what is none. What servers leave out is filled. */
export function toLogProbs(value: unknown): LogProb[] {
  const result = list.safeParse(value);
  if (!result.success) return [];
  return result.data.map(({ top_logprobs, ...of }) => ({
    ...toToken(of),
    top_logprobs: (top_logprobs ?? []).map(toToken),
  }));
}

function toToken({ token: text, logprob, bytes }: z.output<typeof token>) {
  return { token: text, logprob: logprob ?? UNLIKELY, bytes: bytes ?? [...Buffer.from(text)] };
}

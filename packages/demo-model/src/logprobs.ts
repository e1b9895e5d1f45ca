/** A token that was or might have been said. `bytes` is its UTF-8. */
export interface TokenChance {
  token: string;
  logprob: number;
  bytes: number[];
}

/** A token that was said, with alternatives, as both dialects word it. */
export interface TokenLogprob extends TokenChance {
  top_logprobs: TokenChance[];
}

/** A text as one token: the same numbers for the same text; the first of the alternatives is the token itself. */
export function logprobOf(token: string, alternatives: number): TokenLogprob {
  const bytes = [...Buffer.from(token)];
  const logprob = -(1 + (bytes.reduce((sum, byte) => sum + byte, 0) % 16)) / 16;
  const said = { token, logprob, bytes };
  const others = Array.from({ length: alternatives }, (_, i) => {
    const other = `alt${i} `;
    return i === 0 ? said : { token: other, logprob: logprob - i, bytes: [...Buffer.from(other)] };
  });
  return { ...said, top_logprobs: others };
}

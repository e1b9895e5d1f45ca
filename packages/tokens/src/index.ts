/** How many tokens texts and prompts amount to, for upstreams that do not tell. Estimates: each model has its own tokens. */
export { countTokens } from './count.ts';
export { promptTokens } from './prompt-tokens.ts';

import { createRequire } from 'node:module';

/** UTF-16 units that are counted exactly; what is beyond is estimated by its bytes. */
const EXACT_LIMIT = 1024 * 1024;
const BYTES_PER_TOKEN = 4;

/**
 * Pieces that are counted one by one, cut before white space where there is any, as the encoding itself does: its cost
 * grows with the square of a run without a break.
 */
const PIECE = /[\s\S]{1,512}(?=\s|$)|[\s\S]{1,512}/gu;

type Encoding = typeof import('gpt-tokenizer/encoding/o200k_base');

const require = createRequire(import.meta.url);
let loaded: Encoding | undefined;

/** The encoding takes 150 ms and 50 MB to load, and most processes never count anything. */
function encoding(): Encoding {
  if (loaded) return loaded;
  loaded = require('gpt-tokenizer/encoding/o200k_base') as Encoding;
  // What has been counted is nobody's to remember.
  loaded.setMergeCacheSize(0);
  return loaded;
}

/** Special tokens in a text are text like any other. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

/**
 * Counts texts one after the other. What they have in all is bounded: beyond a million UTF-16 units tokens are estimated
 * by bytes.
 */
export class TokenCounter {
  #left = EXACT_LIMIT;
  #tokens = 0;

  get tokens(): number {
    return this.#tokens;
  }

  /** Tokens that no text stands for. */
  add(tokens: number): void {
    this.#tokens += tokens;
  }

  count(text: string): void {
    if (text.length > this.#left) {
      this.#tokens += Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
      return;
    }
    this.#left -= text.length;
    const { countTokens: tokensOf } = encoding();
    for (const [piece] of text.matchAll(PIECE)) this.#tokens += tokensOf(piece, AS_TEXT);
  }
}

/** The tokens of one text, in OpenAI's `o200k_base` encoding; of a text beyond 1 MB a quarter of its bytes. */
export function countTokens(text: string): number {
  const counter = new TokenCounter();
  counter.count(text);
  return counter.tokens;
}

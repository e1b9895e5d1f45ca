/** An upstream's answer on its way to a client: nothing leaves before there is output, then everything as it comes. */
import { ApiError, type Usage } from '@tailrace/protocol';
import { DONE, eventData } from '../event-stream.ts';
import type { UpstreamAnswer } from '../upstream.ts';
import { UpstreamFailure } from '../upstream-failure.ts';
import type { RelayBody } from './relay-body.ts';
import { readRelayChunk } from './relay-chunk.ts';
import type { RelayLine } from './relay-line.ts';

/** Bytes without output that are held back, for another upstream to make good; beyond, an answer has begun. */
const HELD_BYTES = 64 * 1024;

/** See the file's head. One for each call of an upstream. */
export class RelayAnswer {
  readonly #body: RelayBody;
  readonly #line: Pick<RelayLine, 'head'>;
  readonly #onOutput: () => void;
  #usage: Usage | null = null;
  #chars = 0;

  /** `onOutput` hears when an answer begins. */
  constructor(body: RelayBody, line: Pick<RelayLine, 'head'>, onOutput: () => void) {
    this.#body = body;
    this.#line = line;
    this.#onOutput = onOutput;
  }

  /** What the upstream has told of its tokens. */
  get usage(): Usage | null {
    return this.#usage;
  }

  /** Characters of output. */
  get chars(): number {
    return this.#chars;
  }

  /**
   * The bytes that are for the client.
   * @throws UpstreamFailure, and SyntaxError for what is not JSON.
   */
  read(answer: UpstreamAnswer): AsyncIterable<Uint8Array> {
    return this.#body.streams && !answer.isJson ? this.#stream(answer) : this.#whole(answer);
  }

  async *#whole({ body }: UpstreamAnswer): AsyncGenerator<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    const bytes = Buffer.concat(parts);
    const { usage, chars } = failing(() => readRelayChunk(JSON.parse(bytes.toString())));
    this.#usage = usage;
    this.#chars = chars;
    this.#begin(false);
    yield bytes;
  }

  async *#stream({ body }: UpstreamAnswer): AsyncGenerator<Uint8Array> {
    let held: Uint8Array[] | null = [];
    let size = 0;
    let finished = false;
    let done = false;
    for await (const data of eventData(body)) {
      done = data.trim() === DONE;
      if (done) break;
      const { output, finished: end, usage, onlyUsage, chars } = failing(() => readRelayChunk(JSON.parse(data)));
      this.#usage = usage ?? this.#usage;
      this.#chars += chars;
      finished ||= end;
      if (onlyUsage && !this.#body.wantsUsage) continue;
      const frame = frameOf(data);
      if (held === null) {
        yield frame;
        continue;
      }
      held.push(frame);
      size += frame.byteLength;
      if (!output && size < HELD_BYTES) continue;
      this.#begin(true);
      yield Buffer.concat(held);
      held = null;
    }
    if (!done && !finished) {
      const reason = 'the stream ended before the answer did';
      throw new UpstreamFailure(new ApiError('upstream_cut', { reason }), { retryable: true });
    }
    if (held !== null) this.#begin(true);
    yield Buffer.concat([...(held ?? []), frameOf(DONE)]);
  }

  #begin(streams: boolean): void {
    this.#onOutput();
    this.#line.head({ streams });
  }
}

function frameOf(data: string): Uint8Array {
  const lines = data.split('\n').map((line) => `data: ${line}\n`);
  return Buffer.from(`${lines.join('')}\n`);
}

/** An answer that makes no sense is a failed call like any other. */
function failing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new UpstreamFailure(error, { status: 200, retryable: true });
  }
}

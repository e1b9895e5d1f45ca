/** Cuts a stream of server-sent events into its frames, as they came. */

const END = Buffer.from('\n\n');
const NEWLINE = 10;

/** Gathers chunks; a frame is handed out once its last byte is there, without the empty line that ends it. */
export class FrameSplitter {
  #parts: Buffer[] = [];

  /** The frames that this chunk completes. */
  push(chunk: Buffer): string[] {
    const frames: string[] = [];
    let start = 0;
    const before = this.#parts.at(-1);
    if (before?.at(-1) === NEWLINE && chunk[0] === NEWLINE) {
      // The empty line was cut in two.
      this.#parts[this.#parts.length - 1] = before.subarray(0, -1);
      frames.push(this.#take());
      start = 1;
    }
    for (let end = chunk.indexOf(END, start); end !== -1; end = chunk.indexOf(END, start)) {
      this.#parts.push(chunk.subarray(start, end));
      frames.push(this.#take());
      start = end + END.length;
    }
    if (start < chunk.length) this.#parts.push(chunk.subarray(start));
    return frames;
  }

  /** Whether the beginning of a frame is there and its end is not. */
  get isInside(): boolean {
    return this.#parts.length > 0;
  }

  // A copy: nothing of the chunks stays in memory.
  #take(): string {
    const frame = Buffer.concat(this.#parts).toString();
    this.#parts = [];
    return frame;
  }
}

/** Whether it is a comment, such as a keep-alive. */
export function isComment(frame: string): boolean {
  return frame.startsWith(':');
}

/** Whether it is what follows the last event. */
export function isDone(frame: string): boolean {
  return frame === 'data: [DONE]';
}

const ID = /^id: (\d+)$/m;
const RESPONSE_ID = /"id":"(resp_[0-9a-f]+)"/;

/** The number in a frame's `id` line; undefined where there is none. */
export function numberOf(frame: string): number | undefined {
  // The line is near the beginning, and frames may have megabytes.
  const [, id] = ID.exec(frame.slice(0, 300)) ?? [];
  return id === undefined ? undefined : Number(id);
}

/** The response that the first event of a stream tells of; undefined for any other frame. */
export function responseIdOf(frame: string): string | undefined {
  if (!frame.startsWith('event: response.created\n')) return undefined;
  return RESPONSE_ID.exec(frame)?.[1];
}

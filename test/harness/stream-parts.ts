/** The parts of a stream that blank lines end, in whatever pieces its bytes come. One of megabytes is put together once. */
export class StreamParts {
  readonly #decoder = new TextDecoder();
  #pieces: string[] = [];
  #endsLine = false;

  /** The parts that these bytes make whole. */
  take(bytes: Uint8Array): string[] {
    const piece = this.#decoder.decode(bytes, { stream: true });
    if (piece === '') return [];
    const ended = piece.includes('\n\n') || (this.#endsLine && piece.startsWith('\n'));
    this.#pieces.push(piece);
    this.#endsLine = piece.endsWith('\n');
    if (!ended) return [];
    const parts = this.rest.split('\n\n');
    const rest = parts.pop() ?? '';
    this.#pieces = [rest];
    this.#endsLine = rest.endsWith('\n');
    return parts;
  }

  /** What has come of the next part. */
  get rest(): string {
    return this.#pieces.join('');
  }
}

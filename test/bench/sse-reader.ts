/** Reads a stream of server-sent events as it arrives; as little work per event as possible, since it is timed. */

/** Milliseconds since the epoch, to the microsecond; comparable between processes of one machine. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * Hands on each frame with the time at which its last byte was read. Comments are left out.
 * @throws Error when the stream ends inside a frame.
 */
export async function readFrames(
  body: AsyncIterable<Uint8Array>,
  onFrame: (frame: string, at: number) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    const at = epochMs();
    rest += decoder.decode(bytes, { stream: true });
    let start = 0;
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n', start)) {
      if (rest[start] !== ':') onFrame(rest.slice(start, end), at);
      start = end + 2;
    }
    rest = rest.slice(start);
  }
  if (rest !== '') throw new Error(`the stream ended inside a frame: ${rest.slice(0, 100)}`);
}

/** A client that keeps the bytes of a stream, and understands them only afterwards. */
import type { ResponseEvent } from '@tailrace/protocol';
import { StreamParts } from './stream-parts.ts';

/** The frames of a stream as text, comments left out, `[DONE]` included. */
export interface RawStream {
  frames: string[];
  /** Whether `data: [DONE]` came. */
  done: boolean;
}

const DONE = 'data: [DONE]';

/** Reads a stream, frame by frame, until it ends or `until` says that it is enough. */
export async function readFrames(response: Response, until?: (frames: string[]) => boolean): Promise<RawStream> {
  if (response.status !== 200 || !response.body) {
    throw new Error(`not a stream: ${response.status} ${await response.text()}`);
  }
  const frames: string[] = [];
  const parts = new StreamParts();
  for await (const chunk of response.body) {
    for (const part of parts.take(chunk)) {
      if (part.startsWith(':')) continue;
      if (part === DONE) return { frames, done: true };
      frames.push(part);
      if (until?.(frames)) return { frames, done: false };
    }
  }
  return { frames, done: false };
}

/** The event in a frame. */
export function eventOf(frame: string): ResponseEvent {
  const data = frame.split('\n').find((line) => line.startsWith('data: '));
  if (!data) throw new Error(`a frame without data: ${frame}`);
  return JSON.parse(data.slice(6)) as ResponseEvent;
}

/** The number in a frame's `id` line. */
export function idOf(frame: string): number {
  const id = frame.split('\n').find((line) => line.startsWith('id: '));
  return Number(id?.slice(4));
}

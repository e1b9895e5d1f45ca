/** A client that does not give up: whatever breaks off, it comes back to another gateway after the last event it saw. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventOf, idOf, type RawStream, readFrames } from './sse.ts';
import type { TestStack } from './stack.ts';

/** How a response is followed. */
export interface FollowOptions {
  /** The gateway of the first request. */
  gateway?: number;
  /** Hears of every frame as it comes. */
  onFrame?: (frames: readonly string[], id: string) => void;
  body?: Record<string, unknown>;
  /** Milliseconds in which the response must end. */
  timeoutMs?: number;
}

/** A followed response: every frame once, in order, and how often the stream had to be taken up again. */
export interface Followed extends RawStream {
  id: string;
  attaches: number;
}

/** Creates a streaming response and follows it to its end, over as many connections as it takes. */
export async function follow(stack: TestStack, input: string, options: FollowOptions = {}): Promise<Followed> {
  const signal = AbortSignal.timeout(options.timeoutMs ?? 45_000);
  const frames: string[] = [];
  let gateway = options.gateway ?? 0;
  let id = '';
  const see = (frame: string) => {
    frames.push(frame);
    if (id === '') {
      const event = eventOf(frame);
      if (event.type === 'response.created') id = event.response.id;
    }
    options.onFrame?.(frames, id);
    return false;
  };
  const read = async (answer: Response): Promise<boolean> => {
    try {
      return (await readFrames(answer, (seen) => see(seen.at(-1) ?? ''))).done;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TypeError) return false;
      throw error;
    }
  };
  const body = JSON.stringify({ model: 'demo', input, stream: true, ...options.body });
  let done = await read(await stack.fetch('/v1/responses', { method: 'POST', body, gateway, signal }));
  let attaches = 0;
  while (!done) {
    if (id === '') throw new Error('the stream broke off before it told an id');
    attaches += 1;
    gateway = (gateway + 1) % stack.gateways.length;
    const headers = { 'last-event-id': String(idOf(frames.at(-1) ?? '')) };
    try {
      done = await read(await stack.fetch(`/v1/responses/${id}?stream=true`, { gateway, headers, signal }));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TypeError)) throw error;
      await sleep(50);
    }
  }
  return { id, frames, done, attaches };
}

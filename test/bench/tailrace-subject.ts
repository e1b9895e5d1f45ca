/** Tailrace under load, as a client of its API sees it. */
import { HttpTarget } from './http-target.ts';
import { epochMs, readFrames } from './sse-reader.ts';
import type { Subject } from './subject.ts';

const DELTA = 'event: response.output_text.delta\n';

/** Drives the gateways in turn; `connections` to each. */
export function tailraceSubject(origins: readonly string[], apiKey: string, connections: number): Subject {
  const targets = origins.map((origin) => new HttpTarget(origin, connections, apiKey));
  let requests = 0;

  function post(body: object, signal: AbortSignal) {
    const target = targets[requests++ % targets.length];
    if (!target) throw new Error('there is no gateway');
    return target.post('/v1/responses', { model: 'demo', ...body }, signal);
  }

  /** Follows a stream to its end. @throws Error unless it is gapless, completed and ended by `[DONE]`. */
  async function follow(input: string, signal: AbortSignal): Promise<number[]> {
    const arrivals: number[] = [];
    let events = 0;
    let last = '';
    let done = false;
    const body = await post({ input, stream: true }, signal);
    await readFrames(body, (frame, at) => {
      if (frame === 'data: [DONE]') {
        done = true;
        return;
      }
      if (frame.startsWith(DELTA)) arrivals.push(at);
      const id = Number(/\nid: (\d+)\n/.exec(frame)?.[1]);
      if (id !== events) throw new Error(`event ${events} was expected, and ${id} came`);
      events += 1;
      last = frame;
    });
    if (!done || !last.startsWith('event: response.completed\n')) {
      throw new Error(`a stream was not whole; its last frame: ${last.slice(0, 300)}`);
    }
    return arrivals;
  }

  return {
    name: 'Tailrace',
    async stream(script, chunks, signal) {
      const sentAt = epochMs();
      const arrivals = await follow(script, signal);
      if (arrivals.length !== chunks) throw new Error(`${arrivals.length} deltas came instead of ${chunks}`);
      return { sentAt, arrivals };
    },
    async respond(script, streaming, signal) {
      if (streaming) {
        await follow(script, signal);
        return;
      }
      const body = await post({ input: script }, signal);
      const { status } = (await body.json()) as { status?: unknown };
      if (status !== 'completed') throw new Error(`a response ended as ${status}`);
    },
    async close() {
      await Promise.all(targets.map((target) => target.close()));
    },
  };
}

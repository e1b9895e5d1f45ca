import { errors } from '@nats-io/nats-core';
import { ApiError, newId } from '@tailrace/protocol';
import { createLogger } from '@tailrace/service';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Abandonment, type AbandonmentOptions, type Watched } from '../src/abandonment.ts';

const GRACE_MS = 30_000;
/** Longer than the grace time and the time for an answer. */
const LONG_MS = GRACE_MS + 2_000;
const log = createLogger('test', 'silent');

type Callback = (error: Error | null, message: { subject: string; respond(): boolean }) => void;

/** The part of NATS that gateways talk over, and what they ask the orchestrator. */
class World {
  readonly canceled: string[] = [];
  readonly questions: string[] = [];
  readonly #callbacks = new Set<Callback>();
  /** What the orchestrator says. */
  refusal: ApiError | undefined;

  gateway(options: Partial<AbandonmentOptions> = {}): Abandonment {
    const nc = {
      subscribe: (_subject: string, { callback }: { callback: Callback }) => {
        this.#callbacks.add(callback);
        return { unsubscribe: () => this.#callbacks.delete(callback) };
      },
      request: async (subject: string, _data: undefined, { timeout }: { timeout: number }) => {
        this.questions.push(subject);
        let answered = false;
        const respond = () => {
          answered = true;
          return true;
        };
        for (const callback of this.#callbacks) callback(null, { subject, respond });
        if (answered) return undefined;
        await new Promise((resolve) => setTimeout(resolve, timeout));
        throw new errors.TimeoutError();
      },
    };
    const ask = async (_kind: string, { id }: { id: string }) => {
      if (this.refusal) throw this.refusal;
      this.canceled.push(id);
      return { existed: false };
    };
    return new Abandonment({
      bus: { nc },
      orchestrator: { ask },
      streams: { draining: false },
      policy: 'unstored',
      graceMs: GRACE_MS,
      maxWaiting: 10,
      log,
      ...options,
    } as unknown as AbandonmentOptions);
  }
}

function response(body: { store?: boolean; background?: boolean } = { store: false }): Watched {
  const request = { body: { model: 'm', input: [], ...body }, server_tools: [], max_iterations: 1 };
  return { id: newId(0), owner: 'me', correlationId: 'c', request };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a response whose client has gone', () => {
  test('is cancelled when nobody has come back in time', async () => {
    const world = new World();
    const abandonment = world.gateway();
    const watched = response();
    abandonment.watch(watched)(false);
    expect(abandonment.waiting).toBe(1);
    await vi.advanceTimersByTimeAsync(GRACE_MS - 1);
    expect(world.canceled).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.canceled).toEqual([watched.id]);
    expect(abandonment.waiting).toBe(0);
  });

  test('goes on when its client has seen its end', async () => {
    const world = new World();
    world.gateway().watch(response())(true);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.canceled).toEqual([]);
    expect(world.questions).toEqual([]);
  });

  test('goes on when one has come back to the same gateway', async () => {
    const world = new World();
    const abandonment = world.gateway();
    const watched = response();
    abandonment.watch(watched)(false);
    await vi.advanceTimersByTimeAsync(GRACE_MS / 2);
    const leave = abandonment.watch(watched);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.canceled).toEqual([]);
    leave(false);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.canceled).toEqual([watched.id]);
  });

  test('goes on while another client of this gateway has it; leaving twice is leaving once', async () => {
    const world = new World();
    const abandonment = world.gateway();
    const watched = response();
    const first = abandonment.watch(watched);
    const second = abandonment.watch(watched);
    first(false);
    first(false);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.canceled).toEqual([]);
    second(false);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.canceled).toEqual([watched.id]);
  });

  test('goes on while another gateway has a client of it, which came before or after', async () => {
    const world = new World();
    const [one, two] = [world.gateway(), world.gateway()];
    const watched = response();
    const elsewhere = two.watch(watched);
    one.watch(watched)(false);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.questions).toHaveLength(1);
    expect(world.canceled).toEqual([]);
    elsewhere(false);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.canceled).toEqual([watched.id]);
  });

  test('is given the whole time by the gateway that was left last', async () => {
    const world = new World();
    const [one, two] = [world.gateway(), world.gateway()];
    const watched = response();
    one.watch(watched)(false);
    await vi.advanceTimersByTimeAsync(GRACE_MS - 1_000);
    two.watch(watched)(false);
    await vi.advanceTimersByTimeAsync(GRACE_MS - 1_000);
    expect(world.canceled).toEqual([]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(world.canceled).toEqual([watched.id]);
  });

  test('is nobody’s concern once it has ended, and when the orchestrator cannot be asked it goes on', async () => {
    const world = new World();
    for (const code of ['response_not_found', 'unavailable'] as const) {
      world.refusal = new ApiError(code);
      world.gateway().watch(response())(false);
      await vi.advanceTimersByTimeAsync(LONG_MS);
    }
    expect(world.questions).toHaveLength(2);
    expect(world.canceled).toEqual([]);
  });
});

describe('what is cancelled', () => {
  test.each([
    ['unstored', { store: false }, true],
    ['unstored', { store: true }, false],
    ['unstored', {}, false],
    ['unstored', { store: false, background: true }, false],
    ['always', { store: true }, true],
    ['always', {}, true],
    ['always', { background: true }, false],
    ['never', { store: false }, false],
  ] as const)('%s, of %j: %s', async (policy, body, expected) => {
    const world = new World();
    const watched = response(body);
    world.gateway({ policy }).watch(watched)(false);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.canceled).toEqual(expected ? [watched.id] : []);
  });
});

describe('a gateway', () => {
  test('that stops waits for nobody: neither those it sends away nor those who had left', async () => {
    const world = new World();
    const streams = { draining: false };
    const abandonment = world.gateway({ streams });
    const leave = abandonment.watch(response());
    abandonment.watch(response())(false);
    streams.draining = true;
    leave(false);
    expect(abandonment.waiting).toBe(1);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.canceled).toEqual([]);
  });

  test('lets go of everything when it is closed', async () => {
    const world = new World();
    const abandonment = world.gateway();
    abandonment.watch(response())(false);
    abandonment.close();
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect({ canceled: world.canceled, waiting: abandonment.waiting }).toEqual({ canceled: [], waiting: 0 });
  });

  test('waits for so many and no more', async () => {
    const world = new World();
    const abandonment = world.gateway({ maxWaiting: 2 });
    const all = [response(), response(), response()];
    for (const watched of all) abandonment.watch(watched)(false);
    expect(abandonment.waiting).toBe(2);
    await vi.advanceTimersByTimeAsync(LONG_MS);
    expect(world.canceled).toEqual(all.slice(0, 2).map(({ id }) => id));
  });
});

/** Everything that is decided about a response before the run begins: a function of the seed and its number alone. */
import type { ResponseRequest } from '../record/index.ts';
import { Random } from './random.ts';
import { SHAPE_NAMES, type Shape, type ShapeName, WEIGHTS, writeShape } from './shapes.ts';

/** How the request that makes a response is sent. */
export type Creation = 'stream' | 'wait' | 'background' | 'background stream';

/** When a client breaks off by itself: after so many more frames, or milliseconds. */
export type Drop = { frames: number } | { ms: number };

/** How a client reads a stream. */
export type Reading =
  | { how: 'to the end' }
  /** Slowly for a while, as fast as it can afterwards. */
  | { how: 'slowly'; bytesPerSecond: number; forMs: number }
  /** Takes the head of the answer and none of its events; goes away after a while. */
  | { how: 'never'; forMs: number };

/** One client that follows a response. */
export interface ClientPlan {
  /** Whether its first request is the one that makes the response. */
  creates: boolean;
  /** Milliseconds after the response was accepted; ignored by a client that creates. */
  startMs: number;
  /** Begins after the first half of what others have seen, in place of the beginning. */
  fromTheMiddle: boolean;
  /** Where it breaks off, in this order. */
  drops: readonly Drop[];
  /** Milliseconds between breaking off and coming back. */
  pauseMs: number;
  /** How it tells the last event it has seen. */
  resumesBy: 'Last-Event-ID' | 'starting_after';
  reading: Reading;
}

/** One response: what is asked for, and what its clients do. Times are milliseconds. */
export interface ResponsePlan {
  index: number;
  /** In the prompt and in the arguments of every tool call of this response, and of no other. */
  marker: string;
  shape: Shape;
  /** Null when the request carries none, so that each try of it is a request of its own. */
  idempotencyKey: string | null;
  creation: Creation;
  /** The body of the request. */
  request: ResponseRequest;
  clients: readonly ClientPlan[];
  /** Reads the response as an object so often, until it has ended. */
  pollEveryMs: number | undefined;
  /** Cancels it so long after it was accepted. */
  cancelAfterMs: number | undefined;
  /** Deletes it after its end. */
  deletes: boolean;
  /** Somebody with another key tries its id so long after it was accepted. */
  strangerAfterMs: number | undefined;
  /** What happens while it runs (which gateway, how long a pause) is drawn from here. */
  random: Random;
}

/** What narrows a workload down. */
export interface PlanOptions {
  seed: number;
  /** Shapes to draw from; all by default. */
  shapes?: readonly ShapeName[] | undefined;
}

/** The plan of one response. */
export function planResponse({ seed, shapes = SHAPE_NAMES }: PlanOptions, index: number): ResponsePlan {
  const random = new Random(seed, 'response', index);
  // Closed by a bracket, so that none is the beginning of another.
  const marker = `<chaos-${seed}-${index}>`;
  const name = random.weighted(shapes.map((each) => [WEIGHTS[each], each] as const));
  const shape = writeShape(name, random, marker);
  const isUnstored = shape.extra.store === false;
  const creation = chooseCreation(random, shape);
  const isStream = creation === 'stream' || creation === 'background stream';
  // What is not stored cannot be read by its id once it has ended: its creator is its only client then.
  const isOthers = !isUnstored || shape.background;
  const clients: ClientPlan[] = [];
  if (isStream) clients.push(planClient(random, true));
  if (creation === 'background' && random.chance(0.8)) clients.push(planClient(random, false));
  if (isOthers && random.chance(0.25)) clients.push(planClient(random, false));
  if (isOthers && random.chance(0.05)) clients.push(planClient(random, false));
  const isCancelled = random.chance(0.05);
  const habits = {
    pollEveryMs: random.chance(creation === 'background' ? 0.6 : 0.08) ? random.integer(50, 1_000) : undefined,
    cancelAfterMs: isCancelled && creation !== 'wait' ? random.magnitude(1, 3_000) : undefined,
    deletes: !isUnstored && random.chance(0.06),
    strangerAfterMs: random.chance(0.08) ? random.integer(0, 1_500) : undefined,
  };
  const idempotencyKey = random.chance(0.25) ? null : `chaos-${seed}-${index}`;
  const request = requestOf(shape, creation);
  return { index, marker, shape, idempotencyKey, creation, request, clients, ...habits, random };
}

function chooseCreation(random: Random, shape: Shape): Creation {
  if (shape.background) return random.chance(0.7) ? 'background' : 'background stream';
  return random.chance(0.12) ? 'wait' : 'stream';
}

function requestOf(shape: Shape, creation: Creation): ResponseRequest {
  return {
    model: 'demo',
    input: shape.input,
    ...shape.extra,
    ...(creation === 'stream' || creation === 'background stream' ? { stream: true } : {}),
    ...(shape.background ? { background: true } : {}),
  };
}

function planClient(random: Random, creates: boolean): ClientPlan {
  const reading = random.weighted<Reading['how']>([
    [90, 'to the end'],
    [5, 'slowly'],
    [creates ? 2 : 6, 'never'],
  ]);
  const isDropping = reading === 'to the end' && random.chance(0.35);
  return {
    creates,
    startMs: random.chance(0.5) ? random.magnitude(1, 500) : random.magnitude(100, 8_000),
    fromTheMiddle: random.chance(0.4),
    drops: isDropping ? Array.from({ length: random.integer(1, 3) }, () => planDrop(random)) : [],
    pauseMs: random.chance(0.5) ? 0 : random.magnitude(5, 2_000),
    resumesBy: random.pick(['Last-Event-ID', 'starting_after']),
    reading: planReading(random, reading),
  };
}

function planDrop(random: Random): Drop {
  return random.chance(0.6) ? { frames: random.magnitude(1, 200) } : { ms: random.magnitude(1, 3_000) };
}

function planReading(random: Random, how: Reading['how']): Reading {
  switch (how) {
    case 'to the end':
      return { how };
    case 'slowly':
      return { how, bytesPerSecond: random.integer(2_000, 8_000), forMs: random.integer(2_000, 10_000) };
    case 'never':
      return { how, forMs: random.integer(1_000, 10_000) };
  }
}

/** A client that follows a response's events over as many connections as it takes. */
import type { ClientView } from '../record/index.ts';
import { epochMs, sleep } from './clock.ts';
import { type FollowedResponse, lastSeen } from './followed-response.ts';
import { FrameSplitter } from './frames.ts';
import { type Answer, ConnectionFailed, chunksOf, type GatewayRequest, readBody } from './gateway-request.ts';
import type { ClientPlan, Drop, Reading } from './plan.ts';
import { ownRequest, ownTarget } from './requests.ts';
import { persist, type Settled } from './retries.ts';
import { RunOver, type World } from './world.ts';

/** Why a client reads no further on this connection. */
type Ended = 'done' | 'dropped' | 'broken';

/** Follows the response as planned; resolves when the client has seen its end or has gone for good. */
export async function followStream(world: World, response: FollowedResponse, plan: ClientPlan): Promise<void> {
  const view = response.view();
  try {
    const start = plan.creates ? -1 : await attachPoint(world, response, plan);
    if (start !== undefined) await new StreamClient(world, response, plan, view, start).run();
  } catch (error) {
    if (!(error instanceof RunOver)) throw error;
    view.errors.push(error.message);
  } finally {
    if (plan.creates) response.giveUp();
  }
}

/** The event after which a client begins that comes later; undefined when there is nothing to come to. */
async function attachPoint(world: World, response: FollowedResponse, plan: ClientPlan): Promise<number | undefined> {
  if ((await response.accepted) === undefined) return undefined;
  await sleep(plan.startMs, world.signal);
  return plan.fromTheMiddle ? Math.floor(response.seen / 2) - 1 : -1;
}

class StreamClient {
  readonly #world: World;
  readonly #response: FollowedResponse;
  readonly #plan: ClientPlan;
  readonly #view: ClientView;
  readonly #start: number;
  readonly #drops: Drop[];
  #reading: Reading;

  constructor(world: World, response: FollowedResponse, plan: ClientPlan, view: ClientView, start: number) {
    this.#world = world;
    this.#response = response;
    this.#plan = plan;
    this.#view = view;
    this.#start = start;
    this.#drops = [...plan.drops];
    this.#reading = plan.reading;
  }

  async run(): Promise<void> {
    const { pauseMs, reading } = this.#plan;
    for (;;) {
      const { answer } = await this.#attach();
      if (answer.status !== 200) {
        this.#view.errors.push(`${answer.status} ${await this.#refusal(answer)}`);
        return;
      }
      if (reading.how === 'never') {
        await this.#ignore(answer, reading.forMs);
        return;
      }
      const ended = await this.#read(answer);
      if (ended === 'done') return;
      if (ended === 'dropped') await sleep(pauseMs, this.#world.signal);
    }
  }

  /** Asks for the stream: by the request that makes the response, as long as its id is not known. */
  async #attach(): Promise<Settled> {
    const { record, plan } = this.#response;
    const after = lastSeen(this.#view, this.#start);
    const target = ownTarget(this.#world, plan);
    const { id } = record;
    const asks = id === null ? () => this.#response.creation(this.#world) : this.#resumption(id, after);
    const onAttempt = id === null ? this.#response.tried.bind(this.#response) : undefined;
    const settled = await persist({ ...target, onAttempt }, asks);
    this.#view.attaches.push({ at: epochMs(), gateway: settled.gateway, after });
    return settled;
  }

  #resumption(id: string, after: number): GatewayRequest {
    const path = `/v1/responses/${id}?stream=true`;
    if (after < 0) return ownRequest(this.#world, 'GET', path);
    if (this.#plan.resumesBy === 'starting_after') {
      return ownRequest(this.#world, 'GET', `${path}&starting_after=${after}`);
    }
    return ownRequest(this.#world, 'GET', path, { 'last-event-id': String(after) });
  }

  async #read(answer: Answer): Promise<Ended> {
    const splitter = new FrameSplitter();
    const drop = this.#drops.shift();
    const frames = drop !== undefined && 'frames' in drop ? this.#view.frames.length + drop.frames : Infinity;
    const dropped = new AbortController();
    const timer = drop !== undefined && 'ms' in drop ? setTimeout(() => dropped.abort(), drop.ms) : undefined;
    const leave = () => answer.body.destroy();
    dropped.signal.addEventListener('abort', leave, { once: true });
    try {
      for await (const chunk of chunksOf(answer.body, this.#world.idleMs, this.#world.signal)) {
        for (const frame of splitter.push(chunk)) {
          this.#response.receive(this.#view, frame);
          if (this.#view.done) return 'done';
          // What came in the same chunk has been sent, and is not read by a client that has gone.
          if (this.#view.frames.length >= frames || dropped.signal.aborted) return 'dropped';
        }
        await this.#takeTime(chunk.length);
      }
      this.#view.errors.push(splitter.isInside ? 'the stream ended inside a frame' : 'the stream ended without [DONE]');
      return 'broken';
    } catch (error) {
      if (!(error instanceof ConnectionFailed)) throw error;
      if (dropped.signal.aborted) return 'dropped';
      this.#view.errors.push(error.message);
      return 'broken';
    } finally {
      clearTimeout(timer);
    }
  }

  /** A slow reader reads no further before its time. */
  async #takeTime(bytes: number): Promise<void> {
    const reading = this.#reading;
    if (reading.how !== 'slowly') return;
    const ms = Math.min((bytes / reading.bytesPerSecond) * 1_000, reading.forMs);
    await sleep(ms, this.#world.signal);
    const forMs = reading.forMs - ms;
    this.#reading = forMs > 0 ? { ...reading, forMs } : { how: 'to the end' };
  }

  /** Keeps the connection and reads nothing from it. */
  async #ignore(answer: Answer, forMs: number): Promise<void> {
    // A connection that breaks meanwhile is nothing to a client that does not look.
    answer.body.on('error', () => undefined);
    try {
      await sleep(forMs, this.#world.signal);
    } finally {
      answer.body.destroy();
    }
  }

  async #refusal(answer: Answer): Promise<string> {
    try {
      return await readBody(answer, this.#world.idleMs, this.#world.signal);
    } catch (error) {
      if (error instanceof ConnectionFailed) return error.message;
      throw error;
    }
  }
}

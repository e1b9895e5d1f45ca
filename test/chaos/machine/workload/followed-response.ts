/** What the clients of one response share: its record, its id, its end. */
import type { ClientView, ResponseRecord } from '../record/index.ts';
import { epochMs } from './clock.ts';
import { isComment, isDone, numberOf, responseIdOf } from './frames.ts';
import type { GatewayRequest } from './gateway-request.ts';
import type { ResponsePlan } from './plan.ts';
import { creationRequest, markerOfTry } from './requests.ts';
import type { Attempt } from './retries.ts';
import type { World } from './world.ts';

const TERMINAL_EVENT = /^event: response\.(completed|failed|incomplete)\n/;
const TERMINAL_STATUSES: ReadonlySet<unknown> = new Set(['completed', 'failed', 'incomplete', 'cancelled']);

/** One response while its clients are at it. */
export class FollowedResponse {
  readonly plan: ResponsePlan;
  readonly record: ResponseRecord;
  readonly #accepted = Promise.withResolvers<string | undefined>();
  // Clients of one response are sent the same bytes: they are kept once.
  readonly #texts = new Map<string, string>();
  #polledText = '';
  #most = 0;

  constructor(plan: ResponsePlan, owner: string) {
    this.plan = plan;
    this.record = {
      index: plan.index,
      id: null,
      idempotencyKey: plan.idempotencyKey,
      shape: plan.shape.name,
      owner,
      marker: plan.marker,
      request: plan.request,
      creates: [],
      acceptedAt: null,
      clients: [],
      polls: [],
      foreign: [],
    };
  }

  /** Resolves with the id once a client has been told one; with undefined when nobody will be. */
  get accepted(): Promise<string | undefined> {
    return this.#accepted.promise;
  }

  /** The most frames that one of the clients has seen. */
  get seen(): number {
    return this.#most;
  }

  /** A client is told the id. */
  accept(id: string): void {
    const attempt = this.record.creates.at(-1);
    if (attempt && attempt.id === null) attempt.id = id;
    if (this.record.id !== null) return;
    this.record.id = id;
    this.record.marker = attempt?.marker ?? this.record.marker;
    this.record.acceptedAt = epochMs();
    this.#accepted.resolve(id);
  }

  /** No client will be told an id any more; nothing happens where one was. */
  giveUp(): void {
    this.#accepted.resolve(undefined);
  }

  /** The request that makes the response, as it is to be tried next. */
  creation(world: World): GatewayRequest {
    return creationRequest(world, this.plan, this.#nextMarker);
  }

  get #nextMarker(): string {
    return markerOfTry(this.plan, this.record.creates.length);
  }

  /** Notes a try of the request that makes the response. */
  tried({ at, gateway, answer }: Attempt): void {
    const { status = null, headers } = answer ?? {};
    const marker = this.#nextMarker;
    this.record.creates.push({ at, gateway, marker, status, id: null, retryAfter: headers?.['retry-after'] ?? null });
  }

  /** A new client. */
  view(): ClientView {
    const view: ClientView = { attaches: [], frames: [], done: false, errors: [] };
    this.record.clients.push(view);
    return view;
  }

  /** A client receives a frame: notes it if it is one of an event. */
  receive(view: ClientView, frame: string): void {
    if (isComment(frame)) return;
    if (isDone(frame)) {
      view.done = true;
      this.#end();
      return;
    }
    view.frames.push({ at: epochMs(), text: this.#kept(frame) });
    this.#most = Math.max(this.#most, view.frames.length);
    const id = responseIdOf(frame);
    if (id !== undefined) this.accept(id);
    if (TERMINAL_EVENT.test(frame)) this.#end();
  }

  /**
   * The owner is told of the response as an object: whether it says that it has ended.
   * @throws SyntaxError when the text is not JSON.
   */
  polled(status: number, text: string): boolean {
    // A poller is told the same again and again: it is kept once.
    const body: unknown = text === this.#polledText ? this.record.polls.at(-1)?.body : JSON.parse(text);
    this.#polledText = text;
    this.record.polls.push({ at: epochMs(), status, body });
    const hasEnded = status === 200 && TERMINAL_STATUSES.has(statusOf(body));
    if (hasEnded) this.#end();
    return hasEnded;
  }

  #end(): void {
    this.record.endedAt ??= epochMs();
  }

  #kept(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }
}

/** The number of the last event that a client has seen; `before` when it has seen none. */
export function lastSeen({ frames }: ClientView, before: number): number {
  const last = frames.at(-1);
  return last === undefined ? before : (numberOf(last.text) ?? before);
}

function statusOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'status' in body ? body.status : undefined;
}

/** Tries again as OpenAI's clients do, at whichever gateway a load balancer would choose. */
import type { IncomingHttpHeaders } from 'node:http';
import { epochMs, sleep } from './clock.ts';
import { type Answer, ask, ConnectionFailed, type GatewayRequest } from './gateway-request.ts';
import type { Random } from './random.ts';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
/** How often OpenAI's clients try again unless they are told otherwise. */
const DEFAULT_RETRIES = 2;

/** Whether OpenAI's clients send a request again after this answer. */
export function isTriedAgain(status: number, headers: IncomingHttpHeaders): boolean {
  if (headers['x-should-retry'] === 'true') return true;
  if (headers['x-should-retry'] === 'false') return false;
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

/** Milliseconds that they wait first. `retries` is how often it was tried again before; `jitter` from 0 to 1. */
export function pauseMs(retries: number, headers: IncomingHttpHeaders, jitter: number): number {
  const asked = Number.parseFloat(String(headers['retry-after-ms'] ?? ''));
  if (asked > 0) return asked;
  const seconds = Number.parseFloat(headers['retry-after'] ?? '');
  if (seconds >= 0) return seconds * 1_000;
  return Math.min(FIRST_PAUSE_MS * 2 ** retries, LONGEST_PAUSE_MS) * (1 - jitter * 0.25);
}

/** What the requests of a run went through. */
export interface Traffic {
  requests: number;
  /** Attempts that were made again, by why: a status, or `connection`. */
  retries: Record<string, number>;
  /** Requests that needed more attempts than OpenAI's clients make by default. */
  beyondDefault: number;
}

/** Traffic that there was none of. */
export function noTraffic(): Traffic {
  return { requests: 0, retries: {}, beyondDefault: 0 };
}

/** Where requests go, and for how long they are tried. */
export interface Target {
  gateways: readonly string[];
  random: Random;
  traffic: Traffic;
  /** Milliseconds to the head of an answer. */
  headMs: number;
  signal: AbortSignal;
  /** Hears of every attempt, also of those that are made again. */
  onAttempt?: ((attempt: Attempt) => void) | undefined;
}

/** One try of a request. */
export interface Attempt {
  /** Milliseconds since the epoch. */
  at: number;
  /** Index of the gateway. */
  gateway: number;
  /** Undefined when the connection failed first. */
  answer: Answer | undefined;
}

/** The answer that was not to be tried again, and the gateway that gave it. */
export interface Settled {
  answer: Answer;
  /** Index of the gateway. */
  gateway: number;
}

/**
 * Sends a request until there is an answer that OpenAI's clients would hand on. One that is a function is made anew for
 * each try.
 * @throws the signal's reason, when that does not happen before it is aborted.
 */
export async function persist(target: Target, wanted: GatewayRequest | (() => GatewayRequest)): Promise<Settled> {
  const { gateways, random, traffic, signal } = target;
  traffic.requests += 1;
  let gateway = random.integer(0, gateways.length - 1);
  for (let retries = 0; ; retries += 1) {
    const at = epochMs();
    const request = typeof wanted === 'function' ? wanted() : wanted;
    const answer = await answerOf(gateways[gateway] ?? '', request, target);
    target.onAttempt?.({ at, gateway, answer });
    if (answer !== undefined && !isTriedAgain(answer.status, answer.headers)) return { answer, gateway };
    answer?.body.destroy();
    const why = answer === undefined ? 'connection' : String(answer.status);
    traffic.retries[why] = (traffic.retries[why] ?? 0) + 1;
    if (retries === DEFAULT_RETRIES) traffic.beyondDefault += 1;
    // A load balancer does not send a request again to where it has just failed.
    gateway = (gateway + 1) % gateways.length;
    await sleep(pauseMs(retries, answer?.headers ?? {}, random.next()), signal);
  }
}

async function answerOf(gateway: string, wanted: GatewayRequest, target: Target): Promise<Answer | undefined> {
  try {
    return await ask(gateway, wanted, target);
  } catch (error) {
    if (error instanceof ConnectionFailed) return undefined;
    throw error;
  }
}

/** The HTTP side of webhooks: one signed POST. */
import { hexOf, publicResponseId } from '@tailrace/protocol';
import type { Webhook } from 'standardwebhooks';
import { Agent, request } from 'undici';
import type { TakenDelivery } from './webhook-queue.ts';

/** Where an event goes, and what signs it. */
export interface Endpoint {
  url: string;
  signer: Webhook;
}

/** What came back. */
export interface PostOutcome {
  /** The HTTP status; null when there was no answer. */
  status: number | null;
  /** Why it did not work; null when it did. Says nothing of what the endpoint has sent. */
  error: string | null;
}

/** Of an answer only the status counts; this much of its body is read so that the connection can be used again. */
const ANSWER_BYTES = 65_536;

/** The connections to all webhooks of a process. */
export class WebhookClient {
  readonly #timeoutMs: number;
  readonly #agent: Agent;

  /** @param timeoutMs milliseconds for a whole attempt. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    // No bound on connections: those to one origin would be shared by all the webhooks there, the slow and the quick.
    this.#agent = new Agent({
      connect: { timeout: timeoutMs },
      // The deadline is that of the attempt.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /** Sends a delivery once, without following redirects. Rejects only when `signal` is aborted. */
  async post(endpoint: Endpoint, delivery: TakenDelivery, now: Date, signal: AbortSignal): Promise<PostOutcome> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
    const id = publicEventId(delivery.id);
    const body = eventBody(delivery);
    try {
      const response = await request(endpoint.url, {
        method: 'POST',
        dispatcher: this.#agent,
        signal: deadline,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'tailrace-webhooks',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
          'webhook-signature': endpoint.signer.sign(id, now, body),
        },
        body,
      });
      // However the body ends, the status has been given.
      await Promise.allSettled([response.body.dump({ limit: ANSWER_BYTES, signal: deadline })]);
      return { status: response.statusCode, error: refusalOf(response.statusCode) };
    } catch (error) {
      if (signal.aborted) throw error;
      return { status: null, error: this.#reasonOf(error) };
    }
  }

  #reasonOf(error: unknown): string {
    if (error instanceof DOMException && error.name === 'TimeoutError') return `no answer within ${this.#timeoutMs} ms`;
    const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown';
    return `the endpoint could not be reached: ${code}`;
  }
}

/** The id of a delivery that receivers see: the same for every attempt. */
function publicEventId(id: string): string {
  return `evt_${hexOf(id)}`;
}

/** The same bytes for every attempt. */
function eventBody(delivery: TakenDelivery): string {
  return JSON.stringify({
    id: publicEventId(delivery.id),
    object: 'event',
    type: delivery.eventType,
    created_at: Math.floor(delivery.createdAt / 1_000),
    data: { id: publicResponseId(delivery.responseId) },
  });
}

function refusalOf(status: number): string | null {
  if (status >= 200 && status <= 299) return null;
  const redirect = status >= 300 && status <= 399 ? '; redirects are not followed' : '';
  return `the endpoint answered ${status}${redirect}`;
}

/** Hands changes of the registry to an orchestrator, and waits until they are committed and published. */
import { createInbox } from '@nats-io/nats-core';
import { ADMIN_SUBJECT, type Bus, decodeMessage, encodeMessage, isSilence, type Reply, subscribe } from '@tailrace/bus';
import { ApiError } from '@tailrace/protocol';
import { type AdminChange, type Sealer, sealCommand } from '@tailrace/registry';

/** How changes are made. */
export interface AdminClientOptions {
  bus: Pick<Bus, 'nc' | 'log'>;
  sealer: Sealer;
  /** Milliseconds until a change without an answer is given up; it may have been made all the same. */
  timeoutMs: number;
}

/** See the file's head. */
export class AdminClient {
  readonly #options: AdminClientOptions;

  constructor(options: AdminClientOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the change is in force; tells whether what it is about was there before.
   * @throws ApiError the refusal; `unavailable` when no answer comes in time; `request_too_large`
   */
  async make(change: AdminChange, correlationId: string): Promise<boolean> {
    const { bus, sealer, timeoutMs } = this.#options;
    const asking = { askedAt: Date.now(), waitMs: timeoutMs, replyTo: createInbox() };
    const bytes = sealCommand(sealer, { change, correlationId, asking });
    const limit = bus.nc.info?.max_payload ?? 1024 * 1024;
    if (bytes.byteLength > limit) throw new ApiError('request_too_large', { limit });
    let reply: Reply;
    // As long as it is there, the answer is waited for.
    const waiting = subscribe(bus, asking.replyTo, (message) => {
      message.respond(encodeMessage({ waiting: true, gaveUp: false }));
    });
    try {
      const { data } = await bus.nc.request(ADMIN_SUBJECT, bytes, { timeout: timeoutMs });
      reply = decodeMessage<Reply>(ADMIN_SUBJECT, data);
    } catch (error) {
      if (!isSilence(error)) throw error;
      throw new ApiError('unavailable', { reason: 'no orchestrator answers' }, { cause: error });
    } finally {
      waiting.unsubscribe();
    }
    if (!reply.accepted) throw ApiError.from(reply.error, reply.param);
    return reply.existed;
  }
}

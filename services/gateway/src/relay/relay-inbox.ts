/** One inbox for what workers tell of all calls that this process passes on. */
import { createInbox } from '@nats-io/nats-core';
import { type Bus, encodeRelay, parseRelaySubject, subscribe } from '@tailrace/bus';
import { newId } from '@tailrace/protocol';
import { RelayCall, type RelayOptions } from './relay-call.ts';

/** See the file's head. */
export class RelayInbox {
  readonly #bus: Bus;
  readonly #options: RelayOptions;
  readonly #prefix = createInbox();
  readonly #open = new Map<string, RelayCall>();

  constructor(bus: Bus, options: RelayOptions) {
    this.#bus = bus;
    this.#options = options;
    subscribe(bus, `${this.#prefix}.>`, (message) => {
      const place = parseRelaySubject(message.subject);
      const call = this.#open.get(place.call);
      if (call) call.hear(place, message);
      else if (place.kind === 'begin') message.respond(encodeRelay({ gone: true }));
    });
  }

  /** How many calls are under way. */
  get size(): number {
    return this.#open.size;
  }

  /** A call that is about to be handed out. Close it. */
  open(): RelayCall {
    const id = newId(Date.now());
    const call = new RelayCall(this.#bus, { id, replyTo: `${this.#prefix}.${id}` }, this.#options, () => {
      this.#open.delete(id);
    });
    this.#open.set(id, call);
    return call;
  }
}

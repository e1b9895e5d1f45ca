/** Connections on which a publish goes wrong. */
import { type Bus, PublishUncertain } from '@tailrace/bus';

/** A connection that loses acknowledgements: the message is stored, its writer does not hear of it. */
export function deafBus(bus: Bus, loses: () => boolean): Bus {
  const publisher = Object.create(bus.publisher, {
    publish: {
      value: async (...args: Parameters<Bus['publisher']['publish']>) => {
        const ack = await bus.publisher.publish(...args);
        if (loses()) throw new PublishUncertain(args[0], 'lost by the test');
        return ack;
      },
    },
  });
  return { ...bus, publisher };
}

/** A connection whose first message never leaves. */
export function silencedOnce(bus: Bus): Bus {
  let sent = 0;
  const publisher = Object.create(bus.publisher, {
    publish: {
      value: async (...args: Parameters<Bus['publisher']['publish']>) => {
        sent += 1;
        if (sent === 1) throw new PublishUncertain(args[0], 'kept back by the test');
        return bus.publisher.publish(...args);
      },
    },
  });
  return { ...bus, publisher };
}

import { Objm } from '@nats-io/obj';
import { connectBus } from '@tailrace/bus';
import type { TestStack } from './stack.ts';

/** The names of what lies beside the streams because it was too large for a message. */
export async function storedBlobs(stack: TestStack): Promise<string[]> {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  try {
    const bucket = await new Objm(bus.js).open('tailrace');
    return (await bucket.list()).filter((info) => !info.deleted).map((info) => info.name);
  } finally {
    await bus.close();
  }
}

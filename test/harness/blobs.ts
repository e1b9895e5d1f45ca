import { connectBus } from '@tailrace/bus';
import type { TestStack } from './stack.ts';

/** The subjects of what lies beside the streams because it was too large for a message: one for each payload. */
export async function storedBlobs(stack: TestStack): Promise<string[]> {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  try {
    const { state } = await bus.jsm.streams.info('OBJ_tailrace', { subjects_filter: '$O.tailrace.C.>' });
    return Object.keys(state.subjects ?? {});
  } finally {
    await bus.close();
  }
}

/** What the demo model and its tools were called for, against what was booked. */
import { CALLS_STREAM, connectBus } from '@tailrace/bus';
import type { Call } from '@tailrace/demo-model';
import { eventually } from '../harness/eventually.ts';
import type { TestStack } from '../harness/stack.ts';

/** Notes are compared with what is booked as soon as that can be. */
export const SETTLE = { CALL_SETTLE_MS: '300', SWEEP_AFTER_MS: '15000' };

/** A row of either table. */
export interface BookedCall {
  id: string;
  attempt: number;
  status: number | null;
  error_code: string | null;
  duration_ms: number | null;
}

/** Resolves when every note of a call has been compared with what is booked. */
export async function allBooked(stack: TestStack): Promise<void> {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  try {
    await eventually('every note of a call is dealt with', async () => {
      return (await bus.jsm.streams.info(CALLS_STREAM)).state.messages === 0;
    });
  } finally {
    await bus.close();
  }
}

/** All rows there are, the earliest call first. */
export async function bookedCalls(stack: TestStack): Promise<BookedCall[]> {
  const { rows } = await stack.database.query<BookedCall>(
    `SELECT id, attempt, status, error_code, duration_ms, started_at FROM http_analytics
     UNION ALL SELECT id, attempt, status, error_code, duration_ms, started_at FROM tool_call_analytics
     ORDER BY started_at`,
  );
  return rows;
}

/** All calls that were received, the earliest first. */
export async function receivedCalls(stack: TestStack): Promise<Call[]> {
  return (await (await fetch(`${stack.demoModelUrl}/_calls`)).json()) as Call[];
}

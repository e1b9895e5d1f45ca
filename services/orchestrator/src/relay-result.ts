/** A call that was passed on is over: what it came to is booked. It has no row of its own. */
import { bookRelay, type RelayReport } from './analytics.ts';
import type { OrchestratorContext } from './context.ts';
import { settleCall } from './limits/settlement.ts';

/** Books the calls of upstreams that were made for it. A report may come any number of times. */
export async function recordRelay(
  context: Pick<OrchestratorContext, 'database' | 'log'>,
  report: RelayReport,
): Promise<void> {
  const { responseId, endpoint, attempt, leased, tokens, calls, correlationId } = report;
  await bookRelay(context.database, report, Date.now());
  // An attempt that came to nothing may have a successor.
  if (leased && tokens > 0) {
    await context.database.transaction().execute((tx) => settleCall(tx, responseId, tokens));
  }
  const told = { relay_id: responseId, correlation_id: correlationId, endpoint, attempt, tokens, calls: calls.length };
  context.log.info(told, 'relayed call booked');
}

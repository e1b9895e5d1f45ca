/**
 * Breaks off agents whose time is up: whatever is open below the call of one is cancelled as a response is, and the call
 * fails, which its caller's model reads. The deadlines stand in Postgres and are told by its clock, so any orchestrator
 * finds them, whichever has begun the agent.
 */
import { cancelledSubject } from '@tailrace/bus';
import {
  expireScope,
  hasEnded,
  isTerminal,
  type ModelResult,
  type PublishedInScope,
  stepsBelow,
} from '@tailrace/chain';
import {
  DATABASE_TIME,
  databaseTimeIn,
  loadChain,
  loadResponse,
  responseQuery,
  type StoredResponse,
  toRecord,
} from '@tailrace/database';
import type { ResponseId, StepId } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import { eachPageApart, type Round } from './apart.ts';
import { carryOn, resume } from './commands.ts';
import type { OrchestratorContext } from './context.ts';
import type { Committed } from './create-response.ts';
import { overdueScopes } from './overdue-scopes.ts';
import { type BrokenOff, breakOffSteps, isOpenModelStep } from './partial-results.ts';
import { isOpenWork } from './step-work.ts';
import { transitionContext } from './transition-context.ts';
import { writeEntry } from './write-entry.ts';

/** The most deadlines that are read at once. */
const PAGE = 100;
/** Milliseconds after which another orchestrator goes on where one has broken an agent off, and told nobody. */
const LEASE_MS = 5_000;

/** One round. */
export async function endOverdueAgents(context: OrchestratorContext, signal: AbortSignal): Promise<Round> {
  const page = async (passed: number) => {
    const rows = await overdueAgents(context).offset(passed).execute();
    return rows.map(({ id, response_id, correlation_id }) => ({ id: response_id, scope: id, correlation_id }));
  };
  const task = "to break an agent off at its call's deadline";
  return eachPageApart(context, task, { page, size: PAGE }, signal, ({ id, scope, correlation_id }, within) =>
    endAgent(context, { id, scope, correlationId: correlation_id }, within),
  );
}

/** The calls of agents whose time is up, the longest overdue first. */
export function overdueAgents({ database }: Pick<OrchestratorContext, 'database'>) {
  return database
    .selectFrom('response_steps')
    .innerJoin('responses', 'responses.id', 'response_steps.response_id')
    .select(['response_steps.id', 'response_steps.response_id', 'responses.correlation_id'])
    .where('response_steps.deadline', '<=', DATABASE_TIME)
    .orderBy('response_steps.deadline')
    .orderBy('response_steps.id')
    .limit(PAGE);
}

/** An agent: the call that has opened its scope. */
interface Agent {
  id: ResponseId;
  scope: StepId;
  correlationId: string;
}

/** Whether it was this process that broke it off. */
async function endAgent(context: OrchestratorContext, agent: Agent, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    const stored = await loadResponse(context.database, agent.id);
    const opener = stored?.chain.find(({ id }) => id === agent.scope);
    if (!stored || !opener) return false;
    if (isTerminal(opener) || hasEnded(stored.record)) {
      // Whoever has broken it off could not tell it any more.
      await resume(context, stored, agent.correlationId, signal);
      await forgetDeadline(context, agent);
      return false;
    }
    const open = stepsBelow(stored.chain, agent.scope).filter((step) => !isTerminal(step));
    const tellWorkers = () => {
      for (const { id } of open.filter(isOpenWork)) context.bus.nc.publish(cancelledSubject(id));
    };
    tellWorkers();
    const { left } = await breakOffSteps(context, stored, open.filter(isOpenModelStep), signal);
    crashPoint('before-cancel-commit');
    const committed = await commitEnd(context, agent, left);
    if (committed === 'moved on') continue;
    crashPoint('after-cancel-commit');
    // It has come to an end by itself, or somebody else has broken it off, who tells of it.
    if (committed === null) return false;
    tellWorkers();
    await carryOn(context, committed, undefined, agent.correlationId, signal, 'after-result-append');
    await forgetDeadline(context, agent);
    context.log.info({ response_id: agent.id, step_id: agent.scope }, 'an agent was broken off: its time was up');
    return true;
  }
}

/** The entry that ends the agent, unless a model has been called below it since the log was closed. */
async function commitEnd(
  context: OrchestratorContext,
  { id, scope }: Agent,
  left: ReadonlyMap<StepId, BrokenOff>,
): Promise<Committed | null | 'moved on'> {
  const asOf = Date.now();
  return context.database.transaction().execute(async (tx) => {
    const row = await responseQuery(tx, id).forUpdate().executeTakeFirst();
    if (!row) return null;
    const record = toRecord(row);
    const chain = await loadChain(tx, id);
    const open = stepsBelow(chain, scope).filter(isOpenModelStep);
    if (open.some((step) => !left.has(step.id))) return 'moved on';
    const now = Date.now();
    const overdue = await overdueScopes(tx, id, chain);
    const next = expireScope(record, chain, scope, publishedBy(open, left), transitionContext(now, overdue));
    if (!next) return null;
    await writeEntry(tx, context, next, now);
    await tx
      .updateTable('response_steps')
      .set({ deadline: databaseTimeIn(LEASE_MS) })
      .where('response_id', '=', id)
      .where('id', '=', scope)
      .execute();
    return { record: next.record, chain: next.chain, fresh: true, added: next.added, asOf };
  });
}

function publishedBy(steps: StoredResponse['chain'], left: ReadonlyMap<StepId, BrokenOff>): PublishedInScope {
  const partial = new Map<StepId, ModelResult>();
  let events = 0;
  for (const { id } of steps) {
    const of = left.get(id);
    events += of?.events ?? 0;
    if (of?.result) partial.set(id, of.result);
  }
  return { partial, events };
}

async function forgetDeadline({ database }: OrchestratorContext, { id, scope }: Agent): Promise<void> {
  await database
    .updateTable('response_steps')
    .set({ deadline: null })
    .where('response_id', '=', id)
    .where('id', '=', scope)
    .execute();
}

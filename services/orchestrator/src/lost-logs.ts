/**
 * Notices that JetStream has lost logs, or what came last in them, and takes up again what was running: at once, where the
 * sweep would wait until it is sure. One orchestrator at a time does it; what it has left undone the next one goes on with.
 */
import { logStream } from '@tailrace/bus';
import { hasEnded, isTerminal } from '@tailrace/chain';
import { loadResponse } from '@tailrace/database';
import { type LogEnd, readLeaderEnd } from '@tailrace/log';
import type { ResponseId } from '@tailrace/protocol';
import { crashPoint } from '@tailrace/service';
import { sql } from 'kysely';
import { eachApart, type Round } from './apart.ts';
import { resume } from './commands.ts';
import type { OrchestratorContext } from './context.ts';
import { dispatch } from './dispatcher.ts';
import { endLogOf } from './end-log.ts';
import { takeLease } from './lease.ts';
import { isModelCall, readStanding } from './log-standing.ts';
import { beginLogAnew, bringLogUpToDate, logOf, positionBefore } from './projector.ts';
import { countAttempt } from './record-result.ts';
import { lookAtStream, noteLoss, noteRound, noteStream, type StreamLoss } from './stream-notes.ts';
import { isTemporary } from './temporary-error.ts';

/** The most responses that are read at once. */
const PAGE = 100;
/** Longer than a page takes, unless something hangs; whoever goes on then finds what has been done. */
const LEASE_MS = 20_000;
/** How long before the last message that a stream has kept others may have been lost: clocks differ a little. */
const ENDED_WITHIN_MS = 10 * 60_000;
/** How often what has failed is tried again before it is left to the sweep. */
const ROUNDS = 5;

/** The responses that this process has looked at since their stream has lost something. */
export type LookedAt = Map<string, Set<ResponseId>>;

/** One look. `lookedAt` is kept from one to the next. @returns how many responses were taken up again. */
export async function recoverLostLogs(
  context: OrchestratorContext,
  lookedAt: LookedAt,
  signal: AbortSignal,
): Promise<number> {
  let resumed = 0;
  for (let partition = 0; partition < context.partitions; partition += 1) {
    const stream = logStream(partition);
    const sight = await lookAtStream(context, stream);
    if (sight.state === 'whole') {
      lookedAt.delete(stream);
      await noteStream(context, stream, sight);
      continue;
    }
    const seen = lookedAt.get(stream) ?? new Set();
    lookedAt.set(stream, seen);
    resumed += await recoverStream(context, stream, seen, signal);
  }
  return resumed;
}

/** Takes up what a stream has lost, unless another process is at it. */
async function recoverStream(
  context: OrchestratorContext,
  stream: string,
  seen: Set<ResponseId>,
  signal: AbortSignal,
): Promise<number> {
  const lease = await takeLease(context, `recovery of ${stream}`, LEASE_MS);
  if (!lease) return 0;
  try {
    // Whoever had the lease before may just have finished.
    const sight = await lookAtStream(context, stream);
    if (sight.state === 'whole') return 0;
    const noted = await noteLoss(context, stream, sight);
    if (!noted) return 0;
    const { loss } = noted;
    const { log } = context;
    log.warn({ stream, loss }, 'JetStream has lost logs; the responses that were running are taken up again');
    const { done, failures, finished } = await takeUpAll(context, stream, { ...loss, seen }, lease.renew, signal);
    // What could not be done for now is looked for again; what seems never to be possible only a few times.
    if (!finished || failures.some(isTemporary)) return done;
    if (failures.length > 0 && loss.rounds + 1 < ROUNDS) await noteRound(context, stream, noted.sight, loss);
    else await noteStream(context, stream, noted.sight);
    return done;
  } finally {
    await lease.release();
  }
}

/** The responses of one stream that may be concerned, each for itself. Not `finished` when it has to be gone on with. */
async function takeUpAll(
  context: OrchestratorContext,
  stream: string,
  loss: Loss,
  goOn: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<Round & { finished: boolean }> {
  const all: Round = { done: 0, failures: [] };
  const allOf = async <Row extends Concerned>(pages: AsyncIterable<Row[]>, takeUp: TakeUp): Promise<boolean> => {
    for await (const page of pages) {
      const rows = page.filter(({ id }) => logStream(logOf(context, id).partition) === stream);
      const round = await eachApart(context, 'to take up what its log has lost', rows, signal, async (row, within) => {
        const done = await takeUp(context, row, loss, within);
        loss.seen.add(row.id);
        return done;
      });
      all.done += round.done;
      all.failures.push(...round.failures);
      if (signal.aborted || !(await goOn())) return false;
    }
    return true;
  };
  const live = pagesOf<Concerned>((after) => liveResponses(context, new Date(loss.before), after?.id).execute());
  // Of a stream that is gone nothing is left that would keep the readers of what has ended from what the chain has.
  if (loss.kind === 'wiped') {
    const finished = await allOf(live, takeUpWiped);
    return { ...all, finished };
  }
  const since = new Date(Date.parse(loss.at) - ENDED_WITHIN_MS);
  const ended = pagesOf<Ended>((after) => responsesEndedSince(context, since, after).execute());
  const finished = (await allOf(live, takeUpCut)) && (await allOf(ended, takeUpEnded));
  return { ...all, finished };
}

/** What a stream has lost, and what this process has looked at for that. */
type Loss = StreamLoss & { seen: Set<ResponseId> };

/** A response that may be concerned. */
interface Concerned {
  id: ResponseId;
  correlation_id: string;
}

interface Ended extends Concerned {
  /** As text, which is as exact as the database is. */
  ended: string;
}

async function* pagesOf<Row>(read: (after: Row | undefined) => Promise<Row[]>): AsyncGenerator<Row[], void> {
  let after: Row | undefined;
  for (let full = true; full; ) {
    const rows = await read(after);
    yield rows;
    after = rows.at(-1);
    full = rows.length === PAGE;
  }
}

/** How a response is taken up. @returns whether there was something to do. @throws whatever aborts `signal`. */
type TakeUp = (context: OrchestratorContext, concerned: Concerned, loss: Loss, signal: AbortSignal) => Promise<boolean>;

/** A response whose stream is another one: whatever it has in that was appended since. */
const takeUpWiped: TakeUp = async (context, { id, correlation_id }, { seen }, signal) => {
  const end = await readLeaderEnd(logOf(context, id));
  if (end !== undefined) return !seen.has(id) && handOutAgain(context, id, end, correlation_id, signal);
  const stored = await countAttempt(context.database, id, 0);
  if (!stored) return false;
  context.log.warn({ response_id: id }, 'the log of a live response is lost; it is taken up again');
  await resume(context, stored, correlation_id, signal, { running: 'leave' });
  crashPoint('after-take-up');
  return true;
};

/**
 * A response whose stream has lost what came last. What the chain has recorded is appended again as it was; but what a model
 * step that is open had told, clients may have seen, and nobody knows it any more: the log begins anew, and so does the step.
 */
const takeUpCut: TakeUp = async (context, { id, correlation_id }, { after, seen }, signal) => {
  const live = await loadResponse(context.database, id);
  if (!live) return false;
  const end = await readLeaderEnd(logOf(context, id));
  const open = live.chain.filter((step) => isModelCall(step) && !isTerminal(step));
  const { closed, begunAnewAt } = await readStanding(logOf(context, id), end?.streamSeq ?? 0);
  if (end !== undefined && begunAnewAt > after)
    return !seen.has(id) && handOutAgain(context, id, end, correlation_id, signal);
  // What has come to its end in the log can have lost nothing.
  if (open.every((step) => closed.has(step.id))) {
    await bringLogUpToDate(context, live, undefined, signal);
    return false;
  }
  const stored = await countAttempt(context.database, id, 0);
  if (!stored) return false;
  context.log.warn({ response_id: id }, 'the log of a live response may have lost its tail; it begins anew');
  await beginLogAnew(context, id, signal);
  // Queues have been put back as well, and hand out what they hold; a step of a tool may be in there.
  for (const step of stored.chain.filter((each) => isModelCall(each) && !isTerminal(each))) {
    const position = await positionBefore(context, id, step.id);
    await dispatch(context, stored, { step, position, takeover: true }, correlation_id, signal);
  }
  return true;
};

/** A response that has ended, and whose log may have lost its end. */
const takeUpEnded: TakeUp = async (context, { id }, _loss, signal) => {
  await endLogOf(context, id, signal);
  return false;
};

/**
 * Whoever begins a log anew may be killed before it hands the steps out: where no worker has written since, that is done once
 * more. The messages are those that it would have sent, so that no queue takes one twice.
 */
async function handOutAgain(
  context: OrchestratorContext,
  id: ResponseId,
  { meta }: LogEnd,
  correlationId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const stored = await loadResponse(context.database, id);
  if (!stored || hasEnded(stored.record)) return false;
  if (meta.step !== null) {
    await bringLogUpToDate(context, stored, undefined, signal);
    return false;
  }
  await resume(context, stored, correlationId, signal, { running: 'leave' });
  return true;
}

/** The live responses that were accepted before a time, after an id, in the order of their ids. */
export function liveResponses(
  context: Pick<OrchestratorContext, 'database'>,
  before: Date,
  after: ResponseId | undefined,
) {
  const query = context.database
    .selectFrom('responses')
    .select(['id', 'correlation_id'])
    .where('ended_at', 'is', null)
    .where('accepted_at', '<', before)
    .orderBy('id')
    .limit(PAGE);
  return after === undefined ? query : query.where('id', '>', after);
}

/** The responses that have ended since a time, after one of them, in the order of their ends. */
export function responsesEndedSince(
  context: Pick<OrchestratorContext, 'database'>,
  since: Date,
  after: Pick<Ended, 'id' | 'ended'> | undefined,
) {
  const query = context.database
    .selectFrom('responses')
    .select(['id', 'correlation_id', sql<string>`updated_at::text`.as('ended')])
    .where('ended_at', 'is not', null)
    .where('updated_at', '>=', since)
    .orderBy('updated_at')
    .orderBy('id')
    .limit(PAGE);
  if (after === undefined) return query;
  return query.where(sql<boolean>`(updated_at, id) > (${after.ended}::timestamptz, ${after.id}::uuid)`);
}

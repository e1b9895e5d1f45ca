/** Answers gateways that ask whether a call may begin that is no response; one orchestrator answers each question. */
import {
  ADMIT_SUBJECT,
  type AdmitAnswer,
  type AdmitQuestion,
  type Desk,
  decodeMessage,
  encodeMessage,
  isWaitedFor,
  LimitReached,
  openDesk,
  RELEASE_SUBJECT,
  type Release,
  subscribe,
} from '@tailrace/bus';
import { ApiError } from '@tailrace/protocol';
import type { OrchestratorContext } from '../context.ts';
import { admitScopes } from './admission.ts';
import { Releases } from './releases.ts';

/** How a desk works. */
export interface AdmissionDeskOptions {
  /** A call counts as under way for so many milliseconds at most, if nobody tells of its end. */
  leaseMs: number;
  /** The most questions that are being answered at once, and the most calls that wait for their release. */
  most: number;
}

const QUEUE = 'orchestrators';

/** Opens a desk. Beyond `most` a question is refused with `overloaded`, at once: whoever asks need not wait for it. */
export function openAdmissionDesk(
  context: OrchestratorContext,
  { leaseMs, most }: AdmissionDeskOptions,
): Pick<Desk, 'stop'> {
  const { bus, log } = context;
  const listening = { nc: bus.nc, log };
  const desk = openDesk(listening, {
    subject: ADMIT_SUBJECT,
    queue: QUEUE,
    most,
    async answer(message) {
      const question = decodeMessage<AdmitQuestion>(message.subject, message.data);
      // Nothing is to be counted for nobody.
      if (!(await isWaitedFor(bus, question, false))) return;
      message.respond(encodeMessage(await answer(context, question, leaseMs)));
    },
    refuse(message) {
      log.warn({ most }, 'a call was refused: as many questions about limits are open as are answered at once');
      message.respond(encodeMessage({ admitted: false, error: new ApiError('overloaded').info }));
    },
  });
  const releases = new Releases(context, most);
  const released = subscribe(
    listening,
    RELEASE_SUBJECT,
    ({ subject, data }) => releases.add(decodeMessage<Release>(subject, data).id),
    { queue: QUEUE },
  );
  return {
    async stop() {
      await Promise.all([desk.stop(), released.isClosed() ? undefined : released.drain()]);
      await releases.settled();
    },
  };
}

async function answer(
  { database, log }: OrchestratorContext,
  { id, model, limits, lease }: AdmitQuestion,
  leaseMs: number,
): Promise<AdmitAnswer> {
  try {
    return await database.transaction().execute(async (tx) => {
      const admission = await admitScopes(tx, limits);
      const leased = await admission.take(lease ? { kind: 'call', id, forMs: leaseMs } : { kind: 'nobody' });
      return { admitted: true, leased, rateLimit: admission.rateLimit };
    });
  } catch (error) {
    if (!(error instanceof LimitReached)) throw error;
    log.info({ call_id: id, model, rule: error.refusal.rule }, 'call refused');
    return { admitted: false, refusal: error.refusal };
  }
}

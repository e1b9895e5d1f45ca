/** Answers gateways that ask whether a call may begin that is no response; one orchestrator answers each question. */
import {
  ADMIT_SUBJECT,
  type AdmitAnswer,
  type AdmitQuestion,
  decodeMessage,
  encodeMessage,
  LimitReached,
  RELEASE_SUBJECT,
  type Release,
} from '@tailrace/bus';
import type { OrchestratorContext } from '../context.ts';
import { admitScopes } from './admission.ts';
import { releaseCall } from './settlement.ts';

/** See the file's head. */
export interface AdmissionDesk {
  /** Takes no more questions; resolves when those that were asked are answered. */
  stop(): Promise<void>;
}

const QUEUE = 'orchestrators';

interface Message {
  subject: string;
  data: Uint8Array;
  respond(data: Uint8Array): boolean;
}

/** Opens a desk. A call counts as under way for `leaseMs` at most, if nobody tells of its end. */
export function openAdmissionDesk(context: OrchestratorContext, leaseMs: number): AdmissionDesk {
  const { bus, database, log } = context;
  const open = new Set<Promise<void>>();
  const listen = (subject: string, handle: (message: Message) => Promise<void>) =>
    bus.nc.subscribe(subject, {
      queue: QUEUE,
      callback: (error, message) => {
        if (error) return;
        const handled = handle(message)
          // Whoever waits gives up in time; a call that nobody releases loses its place by itself.
          .catch((failure: unknown) => log.warn({ err: failure, subject }, 'a question about limits stays open'))
          .finally(() => open.delete(handled));
        open.add(handled);
      },
    });
  const subscriptions = [
    listen(ADMIT_SUBJECT, async (message) => {
      const question = decodeMessage<AdmitQuestion>(message.subject, message.data);
      // Nobody waits any more, and nothing is to be counted for nobody.
      if (question.expiresAt < Date.now()) return;
      message.respond(encodeMessage(await answer(context, question, leaseMs)));
    }),
    listen(RELEASE_SUBJECT, async (message) => {
      await releaseCall(database, decodeMessage<Release>(message.subject, message.data).id);
    }),
  ];
  return {
    async stop() {
      await Promise.all(subscriptions.map((subscription) => subscription.drain()));
      await Promise.all(open);
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

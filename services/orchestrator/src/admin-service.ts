/** Takes changes of the registry from gateways, and answers when they are committed and published. */
import type { Msg } from '@nats-io/nats-core';
import { ADMIN_SUBJECT, type Desk, encodeMessage, isWaitedFor, openDesk, type Reply } from '@tailrace/bus';
import { ApiError } from '@tailrace/protocol';
import { type AdminChange, ForeignCommand, openCommand } from '@tailrace/registry';
import { applyChange } from './admin-changes.ts';
import type { OrchestratorContext } from './context.ts';
import type { RegistryPublisher } from './registry-publisher.ts';

/**
 * Serves until it is stopped; one orchestrator answers each request. Changes wait for each other: beyond `most` they are
 * refused.
 */
export function serveAdmin(context: OrchestratorContext, registry: RegistryPublisher, most: number): Desk {
  return openDesk(
    { nc: context.bus.nc, log: context.log },
    {
      subject: ADMIN_SUBJECT,
      queue: 'orchestrators',
      most,
      answer: (message) => answer(context, registry, message),
      refuse: (message) => void message.respond(encodeMessage(refusal(new ApiError('overloaded')))),
    },
  );
}

async function answer(context: OrchestratorContext, registry: RegistryPublisher, message: Msg): Promise<void> {
  const reply = await carryOut(context, registry, message.data);
  if (reply) message.respond(encodeMessage(reply));
}

/** @returns undefined for what nobody waits for. */
async function carryOut(
  { bus, database, sealer, log }: OrchestratorContext,
  registry: RegistryPublisher,
  bytes: Uint8Array,
): Promise<Reply | undefined> {
  try {
    const { change, asking, correlationId } = openCommand(sealer, bytes);
    if (!(await isWaitedFor(bus, asking, false))) return undefined;
    const existed = await applyChange(database, sealer, change);
    log.info({ correlation_id: correlationId, change: change.do, name: nameOf(change) }, 'the registry was changed');
    await registry.publish();
    return { accepted: true, existed };
  } catch (error) {
    if (error instanceof ApiError) return refusal(error);
    if (error instanceof ForeignCommand) {
      log.warn({ err: error }, 'a change of the registry was refused');
      const reason = 'the orchestrators have another TAILRACE_SECRET_KEY than this gateway';
      return refusal(new ApiError('unavailable', { reason }));
    }
    log.error({ err: error }, 'a change of the registry failed');
    return refusal(new ApiError('unavailable', { reason: 'the change could not be stored and published' }));
  }
}

function refusal(error: ApiError): Reply {
  return { accepted: false, error: error.info, param: error.param };
}

function nameOf(change: AdminChange): string {
  if ('key' in change) return change.key.name;
  return 'entry' in change ? change.entry.name : change.name;
}

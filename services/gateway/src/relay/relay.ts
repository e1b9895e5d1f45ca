/** `POST /v1/chat/completions` and `POST /v1/embeddings`: passed on to a model's server through the model's own queue. */
import {
  dropPayload,
  encodeMessage,
  PublishRejected,
  PublishUncertain,
  publishPayload,
  type RelayEndpoint,
  type RelayWork,
  WORK_STREAM,
  workSubject,
} from '@tailrace/bus';
import { ApiError, errorPayload } from '@tailrace/protocol';
import type { RegisteredKey, RegisteredModel } from '@tailrace/registry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { admit, release } from '../admission.ts';
import { authenticate, registryOf } from '../auth.ts';
import type { GatewayContext } from '../context.ts';
import { correlationOf } from '../correlation.ts';
import { sendRefusal, writeAnswer } from './relay-answer.ts';
import { type RelayCall, RelayFailed } from './relay-call.ts';
import { relayBodyOf } from './relay-request.ts';

/** Handles the request; see the file's head. Nothing of it is kept, and a client that goes away ends it. */
export async function handleRelay(
  context: GatewayContext,
  request: FastifyRequest,
  reply: FastifyReply,
  endpoint: RelayEndpoint,
): Promise<unknown> {
  const key = authenticate(context.registry, request);
  const body = relayBodyOf(endpoint, request.body);
  const model = modelOf(context, key, body.model, endpoint);
  const call = context.relays.open();
  const leave = () => call.close();
  reply.raw.once('close', leave);
  const finished = context.streams.enter(leave);
  try {
    const admission = await admit(context, key, { id: call.id, model: model.name });
    try {
      reply.headers(admission.headers);
      const work: RelayWork = {
        kind: 'relay',
        responseId: call.id,
        stepId: call.id,
        attempt: 1,
        model: model.name,
        endpoint,
        body,
        replyTo: call.replyTo,
        owner: key.owner,
        keyName: key.name,
        groups: key.groups,
        leased: admission.leaseId !== null,
        correlationId: correlationOf(request),
      };
      return await passOn(context, reply, call, work);
    } finally {
      release(context, admission);
    }
  } finally {
    reply.raw.off('close', leave);
    call.close();
    finished();
  }
}

/**
 * The model, if the key may use it this way.
 * @throws ApiError `model_not_found`, `endpoint_not_served`
 */
function modelOf(context: GatewayContext, key: RegisteredKey, name: string, endpoint: RelayEndpoint): RegisteredModel {
  const model = registryOf(context.registry).modelFor(key.groups, name);
  if (!model) throw new ApiError('model_not_found', { model: name }, { param: 'model' });
  if (model.upstreams.some(({ dialect }) => dialect === 'chat')) return model;
  const path = `/v1/${endpoint.replace('.', '/')}`;
  throw new ApiError('endpoint_not_served', { model: name, endpoint: path }, { param: 'model' });
}

async function passOn(
  context: GatewayContext,
  reply: FastifyReply,
  call: RelayCall,
  work: RelayWork,
): Promise<unknown> {
  const handedOut = await handOut(context, work);
  try {
    const { streams } = await call.answer();
    await writeAnswer(context, reply, call, streams);
    return reply;
  } catch (error) {
    if (!(error instanceof RelayFailed)) throw error;
    const { error: info, retryAfter, refusal } = error.failure;
    const log = context.log.child({ correlation_id: work.correlationId, model: work.model, endpoint: work.endpoint });
    log.info({ code: info.code }, 'a call could not be passed on');
    if (refusal) return sendRefusal(reply, refusal, errorPayload(info, null));
    const failure = ApiError.from(info, null);
    if (retryAfter !== null) reply.header('retry-after', String(retryAfter));
    return reply.code(failure.status).send({ error: errorPayload(info, null) });
  } finally {
    if (!call.isTaken) await handedOut.takeBack();
  }
}

/** @throws ApiError `unavailable` */
async function handOut(context: GatewayContext, work: RelayWork): Promise<{ takeBack(): Promise<void> }> {
  const { bus, log } = context;
  const subject = workSubject({ kind: 'model', name: work.model }, 'default');
  try {
    const { seq } = await publishPayload(bus, subject, encodeMessage(work));
    return {
      async takeBack() {
        try {
          const message = await bus.jsm.streams.getMessage(WORK_STREAM, { seq });
          await bus.jsm.streams.deleteMessage(WORK_STREAM, seq, false);
          if (message) await dropPayload(bus, { headers: message.header });
        } catch (error) {
          // The worker that takes it finds that nobody waits.
          log.debug({ err: error, correlation_id: work.correlationId }, 'a call stays in its queue');
        }
      },
    };
  } catch (error) {
    if (!(error instanceof PublishRejected) && !(error instanceof PublishUncertain)) throw error;
    throw new ApiError('unavailable', { reason: 'the message queue does not answer' }, { cause: error });
  }
}

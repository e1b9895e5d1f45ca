/** An orchestrator: it takes the messages to the chain, one partition after another, and sweeps for what was lost. */
import {
  BlobExpired,
  CHAIN_STREAM,
  chainDurable,
  contested,
  DEAD_STREAM,
  DEAD_SUBJECT,
  joinBus,
  MalformedMessage,
  payloadOf,
  QueueConsumer,
  type QueueMessage,
} from '@tailrace/bus';
import { connectDatabase, isDataError, pingDatabase } from '@tailrace/database';
import { Sealer } from '@tailrace/registry';
import {
  addOpsRoutes,
  createMetrics,
  type Logger,
  natsCheck,
  type RunningService,
  type readEnv,
  sealingSecret,
} from '@tailrace/service';
import Fastify from 'fastify';
import { serveAdmin } from './admin-service.ts';
import {
  type ChainMessage,
  giveUp,
  handleCancel,
  handleConversation,
  handleCreate,
  handleDeadLetter,
  handleDelete,
  handleRedrive,
  handleResult,
  kindOf,
} from './commands.ts';
import type { orchestratorEnv } from './config.ts';
import type { OrchestratorContext } from './context.ts';
import { endOverdue } from './deadline.ts';
import { tidy } from './janitor.ts';
import { openAdmissionDesk } from './limits/admission-desk.ts';
import { recoverLostLogs } from './lost-logs.ts';
import { applyFile } from './registry-file.ts';
import { RegistryPublisher } from './registry-publisher.ts';
import { answerAboutSteps } from './step-answers.ts';
import { sweep } from './sweep.ts';
import { UnreportedCalls } from './unreported-calls.ts';
import { WebhookSender } from './webhook-sender.ts';

type Config = ReturnType<typeof readEnv<typeof orchestratorEnv>>;

/** Starts an orchestrator with the environment's configuration. */
export async function startOrchestrator(config: Config, log: Logger): Promise<RunningService> {
  const sealer = new Sealer(sealingSecret(config));
  const database = connectDatabase({
    url: config.DATABASE_URL,
    name: 'tailrace-orchestrator',
    connections: config.DATABASE_CONNECTIONS,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
    prepare: config.DATABASE_PREPARE === 'true',
    onError: (error) => log.warn({ err: error }, 'a database connection broke'),
  });
  const bus = await joinBus(config, 'orchestrator');
  if (config.TAILRACE_CONFIG) {
    const prune = config.TAILRACE_CONFIG_PRUNE === 'true';
    for (const warning of await applyFile(database, config.TAILRACE_CONFIG, sealer, { prune })) log.warn(warning);
  }
  const registry = new RegistryPublisher(bus, database);
  await contested(() => registry.publish());

  const context: OrchestratorContext = {
    bus,
    database,
    log,
    partitions: config.PARTITIONS,
    sealer,
    retention: {
      storedMs: config.RESPONSE_RETENTION,
      unstoredMs: config.UNSTORED_RETENTION,
      analyticsMs: config.ANALYTICS_RETENTION,
    },
  };
  const stopping = new AbortController();
  const consumers = await startConsumers(context, config);
  const durables = consumers.map(({ durable }) => durable);
  answerAboutSteps(context);
  const admissions = openAdmissionDesk(context, config.CALL_LEASE);
  const administration = serveAdmin(context, registry);
  const deadLetters = await startDeadLetters(context, config);
  const unreported = new UnreportedCalls(context, {
    settleMs: config.CALL_SETTLE_MS,
    lostAfterMs: config.CALL_LOST_AFTER,
    ackWaitMs: config.ACK_WAIT_MS,
    lookAgainMs: Math.max(config.CALL_SETTLE_MS, config.SWEEP_AFTER_MS),
  });
  await unreported.start();
  const sweeping = repeat(config.SWEEP_EVERY_MS, stopping.signal, log, 'sweep', async () => {
    await sweep(context, durables, config.SWEEP_AFTER_MS, stopping.signal);
  });
  const publishing = repeat(config.REGISTRY_CHECK_MS, stopping.signal, log, 'registry check', async () => {
    await registry.publish();
  });

  const recovering = repeat(config.LOST_LOG_CHECK_MS, stopping.signal, log, 'check for lost logs', async () => {
    await bus.prepare();
    await recoverLostLogs(context, stopping.signal);
  });
  const tidying = repeat(config.TIDY_EVERY_MS, stopping.signal, log, 'tidying', async () => {
    await endOverdue(context, config.RESPONSE_DEADLINE, stopping.signal);
    await tidy(context, stopping.signal);
  });
  const webhooks = new WebhookSender(context, {
    everyMs: config.WEBHOOK_EVERY_MS,
    timeoutMs: config.WEBHOOK_TIMEOUT_MS,
    concurrency: config.WEBHOOK_CONCURRENCY,
    policy: { firstMs: config.WEBHOOK_RETRY_FIRST, maxMs: config.WEBHOOK_RETRY_MAX, forMs: config.WEBHOOK_RETRY_FOR },
  });
  webhooks.start();

  const app = Fastify();
  addOpsRoutes(app, createMetrics(), [natsCheck(bus), { name: 'postgres', check: () => pingDatabase(database) }]);
  const address = await app.listen({ host: config.HOST, port: config.PORT });
  log.info({ address }, 'orchestrator ready');
  return {
    async stop() {
      stopping.abort();
      await Promise.all([
        ...consumers.map(({ consumer }) => consumer.stop(config.DRAIN_MS)),
        deadLetters.stop(config.DRAIN_MS),
        admissions.stop(),
        unreported.stop(config.DRAIN_MS),
        webhooks.stop(config.DRAIN_MS),
        administration.stop(),
      ]);
      await Promise.all([sweeping, publishing, recovering, tidying]);
      await app.close();
      await bus.close();
      await database.destroy();
    },
  };
}

async function startConsumers(context: OrchestratorContext, config: Config) {
  const { bus, log } = context;
  const partitions = Array.from({ length: config.PARTITIONS }, (_, partition) => partition);
  return Promise.all(
    partitions.map(async (partition) => {
      const durable = chainDurable(partition);
      const consumer = new QueueConsumer(bus, {
        stream: CHAIN_STREAM,
        durable,
        filter: `tr.chain.${partition}.*`,
        maxAckPending: config.CHAIN_MAX_PENDING,
        ackWaitMs: config.ACK_WAIT_MS,
        maxDeliver: -1,
        limit: config.CHAIN_CONCURRENCY,
        redeliverMs: config.REDELIVER_MS,
        redeliverMaxMs: config.REDELIVER_MAX_MS,
        handle: (message, signal) => handle(context, message, signal),
        onError: (error, message) => log.error({ err: error, subject: message?.subject }, 'a chain message failed'),
      });
      await consumer.start();
      return { durable, consumer };
    }),
  );
}

/** Takes what the server tells of work that nobody has brought to an end. */
async function startDeadLetters(context: OrchestratorContext, config: Config): Promise<QueueConsumer> {
  const { bus, log } = context;
  const consumer = new QueueConsumer(bus, {
    stream: DEAD_STREAM,
    durable: 'dead-letters',
    filter: DEAD_SUBJECT,
    maxAckPending: config.CHAIN_CONCURRENCY,
    ackWaitMs: config.ACK_WAIT_MS,
    maxDeliver: -1,
    limit: 4,
    redeliverMs: config.REDELIVER_MS,
    redeliverMaxMs: config.REDELIVER_MAX_MS,
    handle: (message, signal) => {
      const { subject, data: bytes, redelivered } = message;
      return handleDeadLetter(context, { subject, bytes, redelivered }, signal);
    },
    onError: (error) => log.error({ err: error }, 'a dead letter could not be recorded'),
  });
  await consumer.start();
  return consumer;
}

/** How often a message that fails for what it says is tried before it is given up. */
const POISON_ATTEMPTS = 3;

async function handle(context: OrchestratorContext, message: QueueMessage, signal: AbortSignal): Promise<void> {
  const kind = kindOf(message);
  let chainMessage: ChainMessage;
  try {
    const bytes = await payloadOf(context.bus, message);
    chainMessage = { subject: message.subject, bytes, redelivered: message.redelivered };
  } catch (error) {
    if (!(error instanceof BlobExpired)) throw error;
    context.log.error({ err: error }, 'dropped a message whose payload has expired');
    message.term();
    return;
  }
  try {
    await handleKind(context, kind, chainMessage, signal);
  } catch (error) {
    if (error instanceof MalformedMessage) {
      context.log.error({ err: error }, 'dropped a message that cannot be read');
      message.term();
    } else if (isPoison(error) && message.deliveryCount >= POISON_ATTEMPTS) {
      context.log.error({ err: error, kind }, 'gave up a message that cannot be handled');
      await giveUp(context, kind, chainMessage, signal);
    } else throw error;
  }
}

/** Whether a message would fail however often it is tried: what it says, or our own code, is wrong. */
function isPoison(error: unknown): boolean {
  return isDataError(error) || error instanceof TypeError || error instanceof RangeError;
}

async function handleKind(
  context: OrchestratorContext,
  kind: string,
  message: ChainMessage,
  signal: AbortSignal,
): Promise<void> {
  switch (kind) {
    case 'create':
      return handleCreate(context, message, signal);
    case 'cancel':
      return handleCancel(context, message, signal);
    case 'delete':
      return handleDelete(context, message, signal);
    case 'conversation':
      return handleConversation(context, message);
    case 'redrive':
      return handleRedrive(context, message, signal);
    case 'result':
      return handleResult(context, message, signal);
    default:
      throw new MalformedMessage(message.subject, 'nobody handles this kind');
  }
}

/** Runs a task again and again, with jitter so that replicas do not do it in step, until `signal` is aborted. */
async function repeat(
  everyMs: number,
  signal: AbortSignal,
  log: Logger,
  name: string,
  task: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await pause(everyMs * (0.75 + Math.random() / 2), signal);
    if (signal.aborted) return;
    try {
      await task();
    } catch (error) {
      log.warn({ err: error }, `the ${name} failed; it is tried again`);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

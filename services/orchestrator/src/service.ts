/** An orchestrator: it takes the messages to the chain, one partition after another, and sweeps for what was lost. */
import {
  CHAIN_STREAM,
  chainDurable,
  contested,
  DEAD_STREAM,
  DEAD_SUBJECT,
  joinBus,
  QueueConsumer,
} from '@tailrace/bus';
import { connectDatabase, pingDatabase } from '@tailrace/database';
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
import { handleAdvisory, handleChainMessage } from './chain-messages.ts';
import type { orchestratorEnv } from './config.ts';
import type { OrchestratorContext } from './context.ts';
import { endOverdue } from './deadline.ts';
import { tidy } from './janitor.ts';
import { openAdmissionDesk } from './limits/admission-desk.ts';
import { type LookedAt, recoverLostLogs } from './lost-logs.ts';
import { applyFile } from './registry-file.ts';
import { RegistryPublisher } from './registry-publisher.ts';
import { endOverdueAgents } from './scope-deadline.ts';
import { answerAboutSteps } from './step-answers.ts';
import { Sweep } from './sweep.ts';
import { boundArgumentChecks } from './transition-context.ts';
import { UnreportedCalls } from './unreported-calls.ts';
import { tellEnds } from './untold-ends.ts';
import { WebhookSender } from './webhook-sender.ts';

type Config = ReturnType<typeof readEnv<typeof orchestratorEnv>>;

/** Starts an orchestrator with the environment's configuration. */
export async function startOrchestrator(config: Config, log: Logger): Promise<RunningService> {
  const sealer = new Sealer(sealingSecret(config));
  boundArgumentChecks({ ms: config.TOOL_SCHEMA_MS, schemaChars: config.TOOL_SCHEMA_CHARS });
  const database = connectDatabase({
    url: config.DATABASE_URL,
    name: 'tailrace-orchestrator',
    connections: config.DATABASE_CONNECTIONS,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
    prepare: config.DATABASE_PREPARE === 'true',
    onError: (error) => log.warn({ err: error }, 'a database connection broke'),
  });
  const bus = await joinBus(config, 'orchestrator', log);
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
  const most = config.MAX_OPEN_QUESTIONS;
  const steps = answerAboutSteps(context, most);
  const admissions = openAdmissionDesk(context, { leaseMs: config.CALL_LEASE, most });
  const administration = serveAdmin(context, registry, most);
  const deadLetters = await startDeadLetters(context, config);
  const unreported = new UnreportedCalls(context, {
    settleMs: config.CALL_SETTLE_MS,
    lostAfterMs: config.CALL_LOST_AFTER,
    ackWaitMs: config.ACK_WAIT_MS,
    lookAgainMs: Math.max(config.CALL_SETTLE_MS, config.SWEEP_AFTER_MS),
  });
  await unreported.start();
  const sweep = new Sweep(context, durables, { afterMs: config.SWEEP_AFTER_MS, messages: config.STEP_MESSAGES });
  const sweeping = repeat(config.SWEEP_EVERY_MS, stopping.signal, log, 'sweep', async () => {
    await sweep.round(stopping.signal);
  });
  const telling = repeat(config.SWEEP_EVERY_MS, stopping.signal, log, 'search for logs without an end', async () => {
    await tellEnds(context, config.SWEEP_AFTER_MS, stopping.signal);
  });
  const publishing = repeat(config.REGISTRY_CHECK_MS, stopping.signal, log, 'registry check', async () => {
    await registry.publish();
  });

  const lookedAt: LookedAt = new Map();
  const recovering = repeat(config.LOST_LOG_CHECK_MS, stopping.signal, log, 'check for lost logs', async () => {
    await bus.prepare();
    await recoverLostLogs(context, lookedAt, stopping.signal);
  });
  const ending = repeat(config.TIDY_EVERY_MS, stopping.signal, log, 'search for overdue responses', async () => {
    await endOverdue(context, config.RESPONSE_DEADLINE, stopping.signal);
  });
  const endingAgents = repeat(
    config.AGENT_DEADLINE_CHECK_MS,
    stopping.signal,
    log,
    'search for overdue agents',
    async () => {
      await endOverdueAgents(context, stopping.signal);
    },
  );
  const tidying = repeat(config.TIDY_EVERY_MS, stopping.signal, log, 'tidying', async () => {
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
        steps.stop(),
        admissions.stop(),
        unreported.stop(config.DRAIN_MS),
        webhooks.stop(config.DRAIN_MS),
        administration.stop(),
      ]);
      await Promise.all([sweeping, telling, publishing, recovering, ending, endingAgents, tidying]);
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
        handle: (message, signal) => handleChainMessage(context, message, signal),
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
    handle: (message, signal) => handleAdvisory(context, message, signal),
    onError: (error) => log.error({ err: error }, 'a dead letter could not be recorded'),
  });
  await consumer.start();
  return consumer;
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

import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Registry } from 'prom-client';

/** One thing that a service needs in order to work. Resolves when it is there; rejects, or takes too long, when not. */
export interface ReadinessCheck {
  name: string;
  check(): Promise<void>;
}

/** Whether NATS answers over this connection. */
export function natsCheck(bus: { connected(): boolean; nc: { flush(): Promise<void> } }): ReadinessCheck {
  return {
    name: 'nats',
    async check() {
      if (!bus.connected()) throw new Error('not connected');
      await bus.nc.flush();
    },
  };
}

const CHECK_TIMEOUT_MS = 1_000;

/** Metrics of one process, in Prometheus' format. */
export function createMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Adds `/healthz` (the process runs), `/readyz` (it can work: every check passes) and `/metrics`. */
export function addOpsRoutes(app: FastifyInstance, metrics: Registry, checks: ReadinessCheck[]): void {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const results = await Promise.all(checks.map(async (check) => [check.name, await outcomeOf(check)] as const));
    const ready = results.every(([, outcome]) => outcome === 'ok');
    return reply
      .code(ready ? 200 : 503)
      .send({ status: ready ? 'ready' : 'not_ready', checks: Object.fromEntries(results) });
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
}

async function outcomeOf({ check }: ReadinessCheck): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([
      check(),
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
      }),
    ]);
    return 'ok';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}

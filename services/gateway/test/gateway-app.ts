/** A gateway's HTTP side with nothing behind it but a registry. */
import type { OrchestratorClient } from '@tailrace/bus';
import { RegistryView } from '@tailrace/registry';
import { registeredKey, registeredModel, registrySnapshot } from '@tailrace/registry/fixtures';
import { pino } from 'pino';
import { type AppOptions, createApp } from '../src/app.ts';
import type { GatewayContext } from '../src/context.ts';
import { RequestLimits } from '../src/request-limits.ts';
import { OpenStreams } from '../src/streams.ts';

/** A key of the registry. */
export const KEY = 'sk-somebody-0123456789abcdef';
/** A key of another group. */
export const OTHER_KEY = 'sk-another-0123456789abcdef';

/** A key whose time is over. */
export const EXPIRED_KEY = 'sk-former-0123456789abcdef';

/** The headers of a request with a key and a JSON body. */
export const JSON_HEADERS = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };

/** What a test does in an orchestrator's place. */
type Orchestrator = Partial<Pick<OrchestratorClient, 'ask' | 'admit' | 'release'>>;

/** The server; whatever asks the database fails, or the orchestrator where a test does not take its place. */
export function gatewayApp(options: Partial<AppOptions> & { perMinute?: number; orchestrator?: Orchestrator } = {}) {
  const view = new RegistryView(
    registrySnapshot({
      keys: [
        registeredKey('somebody', KEY),
        registeredKey('another', OTHER_KEY, { groups: ['others'] }),
        registeredKey('former', EXPIRED_KEY, { expiresAt: Date.now() - 1 }),
      ],
      models: [
        registeredModel('small'),
        registeredModel('maker/big:1.5'),
        registeredModel('secret', { groups: ['others'] }),
      ],
    }),
  );
  const streams = new OpenStreams();
  const context = {
    registry: { current: () => view },
    orchestrator: options.orchestrator,
    limits: new RequestLimits({ registry: { current: () => view }, requestsPerMinute: options.perMinute ?? 0 }),
    streams,
    log: pino({ level: 'silent' }),
    maxIterations: 10,
    maxDepth: 8,
    keepAliveMs: 60_000,
  } as unknown as GatewayContext;
  const app = createApp(context, {
    bodyLimit: 10_000,
    maxOpenRequests: 100,
    webSocket: { maxMs: 60_000, memoryBytes: 1_000, bufferBytes: 1_000, keepAliveMs: 60_000 },
    ...options,
  });
  return { app, streams };
}

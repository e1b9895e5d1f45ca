/** A gateway's HTTP side with nothing behind it but a registry. */
import { hashKey, RegistryView } from '@tailrace/registry';
import { pino } from 'pino';
import { type AppOptions, createApp } from '../src/app.ts';
import type { GatewayContext } from '../src/context.ts';
import { RequestLimits } from '../src/request-limits.ts';
import { OpenStreams } from '../src/streams.ts';

/** A key of the registry. */
export const KEY = 'sk-somebody-0123456789abcdef';
/** A key of another group. */
export const OTHER_KEY = 'sk-another-0123456789abcdef';

/** The headers of a request with a key and a JSON body. */
export const JSON_HEADERS = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };

const model = (name: string, group: string) => ({
  name,
  groups: [group],
  concurrency: 1,
  contextWindow: null,
  upstreams: [],
});

/** The server; whatever asks the orchestrator or the database fails. */
export function gatewayApp(options: Partial<AppOptions> & { perMinute?: number } = {}) {
  const view = new RegistryView({
    keys: [
      { name: 'somebody', hash: hashKey(KEY), owner: 'somebody', groups: ['everyone'] },
      { name: 'another', hash: hashKey(OTHER_KEY), owner: 'another', groups: ['others'] },
    ],
    models: [model('small', 'everyone'), model('maker/big:1.5', 'everyone'), model('secret', 'others')],
    tools: [],
  });
  const streams = new OpenStreams();
  const context = {
    registry: { current: () => view },
    limits: new RequestLimits(options.perMinute ?? 0),
    streams,
    log: pino({ level: 'silent' }),
    maxIterations: 10,
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

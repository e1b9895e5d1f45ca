/** What stands in front of gateways wherever they run: it sends each request to one that says that it is ready. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** See the file's head. */
export interface Balancer {
  /** `http://127.0.0.1:port` */
  url: string;
  close(): Promise<void>;
}

const PROBE_EVERY_MS = 50;

/** Starts a balancer on a free port of this machine. */
export async function startBalancer(gateways: readonly string[]): Promise<Balancer> {
  let ready: readonly string[] = gateways;
  let turn = 0;
  const stopping = new AbortController();
  const probing = (async () => {
    while (!stopping.signal.aborted) {
      const found = await Promise.all(gateways.map(isReady));
      ready = gateways.filter((_, index) => found[index]);
      await sleep(PROBE_EVERY_MS);
    }
  })();
  const server = createServer((incoming, outgoing) => {
    turn += 1;
    pass(incoming, outgoing, ready[turn % ready.length]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      stopping.abort();
      await probing;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function isReady(gateway: string): Promise<boolean> {
  try {
    return (await fetch(`${gateway}/readyz`, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return false;
    throw error;
  }
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse, gateway: string | undefined): void {
  if (gateway === undefined) {
    outgoing.writeHead(503, { 'retry-after': '1' }).end();
    return;
  }
  const { headers, method = 'GET', url: path = '/' } = incoming;
  const onward = request(new URL(path, gateway), { method, headers, agent: false });
  // What breaks on one side breaks on the other.
  onward.once('error', () => outgoing.destroy());
  outgoing.once('close', () => onward.destroy());
  incoming.pipe(onward);
  onward.once('response', (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    outgoing.flushHeaders();
    answer.once('error', () => outgoing.destroy());
    answer.pipe(outgoing);
  });
}

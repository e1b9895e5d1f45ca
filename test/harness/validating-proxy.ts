/** A pass-through in front of a gateway for clients of other languages: what comes back is judged as it passes. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WireChecks } from './wire-checks.ts';

/** See the file's head. */
export interface ValidatingProxy {
  /** `http://127.0.0.1:port`, in place of the gateway's. */
  url: string;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of this machine. */
export async function startValidatingProxy(gateway: string, checks: WireChecks): Promise<ValidatingProxy> {
  const server = createServer((incoming, outgoing) => pass(incoming, outgoing, gateway, checks));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse, gateway: string, checks: WireChecks): void {
  const { headers, method = 'GET', url: path = '/' } = incoming;
  const url = new URL(path, gateway);
  const onward = request(url, { method, headers });
  // What breaks on one side breaks on the other.
  onward.once('error', () => outgoing.destroy());
  outgoing.once('close', () => onward.destroy());
  const parts: Buffer[] = [];
  incoming.on('data', (bytes: Buffer) => parts.push(bytes));
  incoming.once('end', () => {
    checks.sent(url.pathname, headers.authorization ?? null, Buffer.concat(parts).toString());
  });
  incoming.pipe(onward);
  onward.once('response', (answer) => {
    const header = (name: string) => {
      const value = headers[name];
      return typeof value === 'string' ? value : null;
    };
    const told = new Headers(
      Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
        values.map((value): [string, string] => [name, value]),
      ),
    );
    const tap = checks.tap({ method, url, header }, { status: answer.statusCode ?? 0, headers: told });
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    outgoing.flushHeaders();
    answer.on('data', (bytes: Buffer) => tap.chunk(bytes));
    answer.once('end', () => tap.end());
    answer.once('error', () => outgoing.destroy());
    answer.pipe(outgoing);
  });
}

/** A TCP proxy whose wires behave as bad networks do. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { ProxyMode } from './pace.ts';
import { type Address, Wire } from './wire.ts';

/** See the file's head. */
export interface TcpProxy {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** Connections that are open to the client, to the server, or both. */
  readonly connections: number;
  /**
   * What its wires do from now on. Connections that have swallowed something are reset when a half-open time ends, as they
   * are in the world when one end speaks again.
   */
  mode(mode: ProxyMode): void;
  /** Resets everything and stops listening. Any number of calls. */
  close(): Promise<void>;
}

/** Starts a proxy that passes everything on. */
export async function startProxy({ to }: { to: Address }): Promise<TcpProxy> {
  let mode: ProxyMode = { kind: 'pass' };
  const wires = new Set<Wire>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (mode.kind === 'refuse') {
      socket.on('error', () => undefined).resetAndDestroy();
      return;
    }
    const isDead = mode.kind === 'half-open';
    const wire = new Wire(socket, isDead ? undefined : to, mode.kind === 'slow' ? mode : undefined, () =>
      wires.delete(wire),
    );
    wires.add(wire);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    get connections() {
      return wires.size;
    },
    mode(next) {
      mode = next;
      for (const wire of [...wires]) {
        if (next.kind === 'half-open') wire.swallow();
        else if (next.kind === 'cut' || wire.isLost) wire.reset();
        else wire.pace = next.kind === 'slow' ? next : undefined;
      }
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const wire of [...wires]) wire.reset();
      await closed;
    },
  };
}

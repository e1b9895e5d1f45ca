import { connect, createServer } from 'node:net';

// Below the ranges Linux (32768) and macOS (49152) take the local ports of outgoing connections from: a client that
// reconnects to a server being restarted can then never be given that server's port as its own.
const LOWEST = 15_000;
const HIGHEST = 32_000;
const ATTEMPTS = 2_000;

/**
 * A TCP port nobody listens on: `preferred`, or the next free one after it; without a preference any.
 * It is free when looked at; whoever listens first has it.
 *
 * @param taken ports that are promised already, though nobody may be listening yet.
 * @throws Error when no port is free, or when the host is not an address of this machine.
 */
export async function freePort(
  preferred = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST)),
  host = '127.0.0.1',
  taken: ReadonlySet<number> = new Set(),
): Promise<number> {
  const last = Math.min(65_535, preferred + ATTEMPTS);
  for (let port = preferred; port <= last; port += 1) {
    if (!taken.has(port) && (await isFree(port, host))) return port;
  }
  throw new Error(`no free TCP port from ${preferred} to ${last} on ${host}`);
}

/** Whether nobody listens on the port. */
export async function isFree(port: number, host: string): Promise<boolean> {
  // macOS lets a socket bind to 127.0.0.1 beside one bound to all addresses, so binding alone does not tell.
  return !(await answers(port, host)) && (await binds(port, host));
}

function answers(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => settle(false));
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

function binds(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

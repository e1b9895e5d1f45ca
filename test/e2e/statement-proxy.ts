/** A relay in front of Postgres that counts what passes: every statement that is run, and every text that is prepared. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** See the file's head. */
export interface StatementProxy {
  /** The database's URL, through the relay. */
  url: string;
  /** How many statements have been run so far. */
  readonly runs: number;
  /** The text of each statement that has been prepared or sent as it is. */
  readonly texts: readonly string[];
  close(): Promise<void>;
}

const SIMPLE_QUERY = 0x51;
const PARSE = 0x50;
const EXECUTE = 0x45;

/** A relay in front of the database at `url`. */
export async function statementProxy(url: string): Promise<StatementProxy> {
  const target = new URL(url);
  const texts: string[] = [];
  const sockets = new Set<Socket>();
  let runs = 0;
  const server = createServer((client) => {
    const database = connect(Number(target.port), target.hostname);
    const see = frontendMessages((type, body) => {
      if (type === SIMPLE_QUERY || type === EXECUTE) runs += 1;
      if (type === SIMPLE_QUERY) texts.push(textAt(body, 0));
      // The statement's name comes first.
      if (type === PARSE) texts.push(textAt(body, body.indexOf(0) + 1));
    });
    client.on('data', see);
    for (const [socket, other] of [
      [client, database],
      [database, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const through = new URL(url);
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: through.href,
    get runs() {
      return runs;
    },
    texts,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Cuts what a client of Postgres sends into messages. The first one of a connection has no type. */
function frontendMessages(see: (type: number, body: Buffer) => void): (bytes: Buffer) => void {
  let pending = Buffer.alloc(0);
  let started = false;
  return (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    for (;;) {
      const header = started ? 1 : 0;
      if (pending.length < header + 4) return;
      const end = header + pending.readUInt32BE(header);
      if (pending.length < end) return;
      if (started) see(pending[0] ?? 0, pending.subarray(5, end));
      started = true;
      pending = pending.subarray(end);
    }
  };
}

function textAt(body: Buffer, start: number): string {
  return body.toString('utf8', start, body.indexOf(0, start));
}

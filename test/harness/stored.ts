import { type Bus, connectBus } from '@tailrace/bus';
import type pg from 'pg';
import type { TestStack } from './stack.ts';

/** The tables of a stack's database, and the streams of its NATS, that hold `text` at this moment, in whatever row or message. */
export async function stored(stack: TestStack, text: string): Promise<string[]> {
  const bus = await connectBus({ url: stack.natsUrl, name: 'test' });
  try {
    return [...(await tablesWith(stack.database, text)), ...(await streamsWith(bus, text))];
  } finally {
    await bus.close();
  }
}

async function tablesWith(database: pg.Pool, text: string): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
  );
  const found: string[] = [];
  for (const { name } of rows) {
    // Bytes are shown in base 16.
    const { rowCount } = await database.query(
      `SELECT FROM ${name} AS kept WHERE strpos(kept::text, $1) > 0 OR strpos(kept::text, $2) > 0 LIMIT 1`,
      [text, Buffer.from(text).toString('hex')],
    );
    if (rowCount !== 0) found.push(name);
  }
  return found;
}

async function streamsWith({ jsm }: Bus, text: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { config, state } of jsm.streams.list()) {
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq += 1) {
      const message = await jsm.streams.getMessage(config.name, { seq });
      if (message === null || !Buffer.from(message.data).includes(text)) continue;
      found.push(config.name);
      break;
    }
  }
  return found;
}

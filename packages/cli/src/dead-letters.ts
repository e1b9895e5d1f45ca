/** `tailrace dead-letters`: what was given up, and how it is done again. */
import { joinBus, OrchestratorClient } from '@tailrace/bus';
import { newId, publicResponseId } from '@tailrace/protocol';
import { commonEnv, readEnv } from '@tailrace/service';
import pg from 'pg';
import { z } from 'zod';

const USAGE = 'Usage: tailrace dead-letters [list | redrive <id>]\n';
const ANSWER_MS = 10_000;

interface DeadLetter {
  id: string;
  response_id: string;
  kind: string;
  source: string;
  attempts: number;
  created_at: Date;
  redriven_as: string | null;
}

/** Runs the command with its arguments. @returns the exit status. */
export async function deadLetters(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const [action = 'list', id] = args;
  if (action === 'list') return list(environment);
  if (action === 'redrive' && id !== undefined) return redrive(id, environment);
  process.stderr.write(USAGE);
  return 2;
}

async function list(environment: NodeJS.ProcessEnv): Promise<number> {
  const { DATABASE_URL } = readEnv({ DATABASE_URL: z.string().min(1) }, environment);
  const client = new pg.Client({ connectionString: DATABASE_URL });
  await client.connect();
  try {
    const { rows } = await client.query<DeadLetter>('SELECT * FROM dead_letters ORDER BY id DESC LIMIT 1000');
    for (const letter of rows) {
      const { kind, source, attempts, created_at, redriven_as } = letter;
      const again = redriven_as === null ? '' : `  made again as ${publicResponseId(redriven_as)}`;
      const response = publicResponseId(letter.response_id);
      const line = [letter.id, created_at.toISOString(), response, kind, source, `${attempts} attempts`].join('  ');
      process.stdout.write(`${line}${again}\n`);
    }
    if (rows.length === 0) process.stdout.write('There are no dead letters.\n');
    return 0;
  } finally {
    await client.end();
  }
}

async function redrive(deadLetter: string, environment: NodeJS.ProcessEnv): Promise<number> {
  const config = readEnv(commonEnv, environment);
  const bus = await joinBus(config, 'cli');
  try {
    const orchestrator = new OrchestratorClient({ bus, partitions: config.PARTITIONS, timeoutMs: ANSWER_MS });
    const now = Date.now();
    const id = newId(now);
    await orchestrator.ask('redrive', { id, owner: '', deadLetter, correlationId: id.replaceAll('-', '') });
    process.stdout.write(`${publicResponseId(id)}\n`);
    return 0;
  } finally {
    await bus.close();
  }
}

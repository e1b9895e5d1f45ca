/** A database as it looks after 100,000 responses: filled by the server itself, in seconds. */
import { randomBytes } from 'node:crypto';
import { migrate } from '@tailrace/database';
import pg from 'pg';

/** How many responses there are; each has four steps. */
export const RESPONSES = 100_000;

/** The tables that the hot path reads and writes. */
export const HOT_TABLES = ['responses', 'response_steps', 'http_analytics', 'tool_call_analytics'] as const;

/** The tables of limits: one has a row for each key that asks, the other one for each response and call under way. */
export const LIMIT_TABLES = ['limit_buckets', 'limit_leases'] as const;

/** Every so many responses are one conversation, each turn going on from the one before it. */
const TURNS = 10;

/** Responses with a number above this are still running; those that end in 0 have been silent for an hour. */
const ENDED = RESPONSES - 1_000;

/** A UUIDv7 in the order of `n`, told apart by `k`: 0 is a response, 1 to 4 are its steps. */
const idOf = (n: string, k: string) =>
  `(lpad(to_hex(1760000000000 + (${n}) * 25), 12, '0') || '7' || lpad(to_hex(${k}), 3, '0') || '8' || lpad(to_hex(${n}), 15, '0'))::uuid`;

/** Keys with limits that have asked within a month, and calls under way. */
const [KEYS, CALLS] = [50_000, 20_000];

/** The calls of 100 days, one response after another. */
const CALLED_AT = `(now() - (${RESPONSES} - n) * interval '86400 milliseconds')`;

const FILL = `
  -- The references hold by construction; looking each of them up would take most of the time.
  SET session_replication_role = replica;

  INSERT INTO responses (id, owner, status, request, previous_response_id, entries, next_event, correlation_id,
    created_at, updated_at, ended_at)
  SELECT ${idOf('n', '0')}, 'owner-' || n % 500,
    CASE WHEN n <= ${ENDED} THEN 'completed' ELSE 'in_progress' END,
    json_build_object(
      'body', json_build_object('model', 'demo', 'input',
        json_build_array(json_build_object('type', 'message', 'role', 'user', 'content', 'question ' || n))),
      'server_tools', json_build_array(), 'max_iterations', 10),
    CASE WHEN n % ${TURNS} = 1 THEN NULL ELSE ${idOf('n - 1', '0')} END,
    5, 40, lpad(to_hex(n), 32, '0'), at, at, CASE WHEN n <= ${ENDED} THEN at + interval '2 seconds' END
  FROM generate_series(1, ${RESPONSES}) AS n,
    LATERAL (SELECT now() - CASE WHEN n > ${ENDED} AND n % 10 > 0 THEN interval '1 second'
      ELSE interval '1 hour' + (${RESPONSES} - n) * interval '25 milliseconds' END AS at) AS times;

  INSERT INTO response_steps (response_id, id, prev_step_id, kind, state, sequence, attempt, added_entry, ended_entry,
    request_payload, response_payload, created_at, started_at, completed_at)
  SELECT ${idOf('n', '0')}, ${idOf('n', 'k')}, CASE WHEN k > 1 THEN ${idOf('n', 'k - 1')} END,
    CASE WHEN k IN (2, 3) THEN 'tool_call' ELSE 'model_call' END,
    CASE WHEN ended THEN 'completed' ELSE 'pending' END, k, 1, k, CASE WHEN ended THEN k + 1 END,
    CASE WHEN k IN (2, 3) THEN json_build_object('tool', 'get_weather', 'call_id', 'call_' || n, 'arguments', '{"city":"Paris"}')
      ELSE json_build_object('model', 'demo') END,
    CASE WHEN NOT ended THEN NULL
      WHEN k IN (2, 3) THEN json_build_object('output', repeat('sunny ', 10))
      ELSE json_build_object('items', json_build_array(), 'finish', 'stop', 'usage', NULL) END,
    now(), now(), CASE WHEN ended THEN now() END
  FROM generate_series(1, ${RESPONSES}) AS n, generate_series(1, 4) AS k,
    LATERAL (SELECT n <= ${ENDED} OR k < 4 AS ended) AS state;

  INSERT INTO http_analytics (response_id, id, response_step_id, attempt, call, owner, key_name, endpoint, model, upstream,
    status, ttfb_ms, first_token_ms, duration_ms, input_tokens, output_tokens, cost, started_at, recorded_at)
  SELECT ${idOf('n', '0')}, ${idOf('n', 'k + 8')}, ${idOf('n', 'k')}, 1, 1, 'owner-' || n % 500, 'key-' || n % 500, 'responses',
    'demo', 'http://127.0.0.1:9100', 200, 5, 9, 500, 20, 40, 0.0001, ${CALLED_AT}, ${CALLED_AT}
  FROM generate_series(1, ${RESPONSES}) AS n, (VALUES (1), (4)) AS model_steps (k);

  INSERT INTO tool_call_analytics (response_id, id, response_step_id, attempt, call, owner, key_name, tool, status,
    duration_ms, started_at, recorded_at)
  SELECT ${idOf('n', '0')}, ${idOf('n', 'k + 8')}, ${idOf('n', 'k')}, 1, 1, 'owner-' || n % 500, 'key-' || n % 500,
    'get_weather', 200, 50, ${CALLED_AT}, ${CALLED_AT}
  FROM generate_series(1, ${RESPONSES}) AS n, (VALUES (2), (3)) AS tool_steps (k);

  INSERT INTO limit_buckets (scope, requests_used, requests_at, tokens_used, tokens_at, tokens_per_minute)
  SELECT 'key:key-' || n, 1, at, 100, at, 100000 FROM generate_series(1, ${KEYS}) AS n,
    LATERAL (SELECT now() - n * interval '1 minute' AS at) AS times;

  -- Of responses that run, and of calls, some of which nobody has told the end of.
  INSERT INTO limit_leases (scope, holder, expires_at)
  SELECT 'key:key-' || n % ${KEYS}, ${idOf('n', '0')}, NULL FROM generate_series(${ENDED} + 1, ${RESPONSES}) AS n
  UNION ALL
  SELECT 'key:key-' || n % ${KEYS}, ${idOf('n', '5')}, now() + (n - 500) * interval '1 minute'
  FROM generate_series(1, ${CALLS}) AS n;

  SET session_replication_role = DEFAULT;`;

/** A migrated and filled database with its statistics up to date. */
export interface FilledDatabase {
  url: string;
  /** The last turn of a whole conversation in the middle of the table. */
  lastTurn: string;
  turns: number;
  /** How many responses the sweep finds silent. */
  silent: number;
  drop(): Promise<void>;
}

/** Makes a database of its own on a server, and fills it. */
export async function filledDatabase(serverUrl: string): Promise<FilledDatabase> {
  const name = `plans_${randomBytes(8).toString('hex')}`;
  await onServer(serverUrl, (client) => client.query(`CREATE DATABASE ${name}`));
  const target = new URL(serverUrl);
  target.pathname = `/${name}`;
  const drop = async () => {
    await onServer(serverUrl, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
  };
  try {
    await migrate(target.href);
    const lastTurn = await onServer(target.href, async (client) => {
      await client.query(FILL);
      await client.query(`VACUUM (ANALYZE) ${[...HOT_TABLES, ...LIMIT_TABLES].join(', ')}`);
      const { rows } = await client.query<{ id: string }>(`SELECT ${idOf(String(RESPONSES / 2), '0')} AS id`);
      return rows[0]?.id ?? '';
    });
    return { url: target.href, lastTurn, turns: TURNS, silent: (RESPONSES - ENDED) / 10, drop };
  } catch (error) {
    await drop();
    throw error;
  }
}

async function onServer<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** The hot path as it is: the services' own functions, run against a database, with every statement they send kept. */
import type { CallNote, CreateCommand, ResultCommand, ScopeLimits } from '@tailrace/bus';
import type { RecordedItem, ResponseRecord, Step } from '@tailrace/chain';
import { type Database, findItemOrigins, loadResponse, loadTurns, type Tables } from '@tailrace/database';
import { itemId, newId, type ResponseId, type Usage } from '@tailrace/protocol';
import { Sealer } from '@tailrace/registry';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { bookUnreported } from '../../services/orchestrator/src/book-unreported.ts';
import type { StoreContext } from '../../services/orchestrator/src/context.ts';
import { type Committed, createResponse } from '../../services/orchestrator/src/create-response.ts';
import { forgetCalls } from '../../services/orchestrator/src/forget-calls.ts';
import { dueResponses } from '../../services/orchestrator/src/janitor.ts';
import { admitScopes } from '../../services/orchestrator/src/limits/admission.ts';
import { releaseCalls, settleCall } from '../../services/orchestrator/src/limits/settlement.ts';
import { tidyLimits } from '../../services/orchestrator/src/limits/tidy-limits.ts';
import { countAttempt, markStarted, recordResult } from '../../services/orchestrator/src/record-result.ts';
import { overdueAgents } from '../../services/orchestrator/src/scope-deadline.ts';
import { silentResponses } from '../../services/orchestrator/src/sweep.ts';
import { endedResponses } from '../../services/orchestrator/src/untold-ends.ts';
import type { Statement } from './explain.ts';
import type { FilledDatabase } from './filled-database.ts';

/** A statement of the hot path, and the operation that sent it. */
export interface HotStatement extends Statement {
  operation: string;
}

/** What ran, and what it sent. */
export interface HotPath {
  statements: HotStatement[];
  /** How many turns the conversation had, and how many silent responses the sweep found. */
  found: { turns: number; silent: number };
  /** The response at its end. */
  record: ResponseRecord;
}

type Ended = Extract<ResultCommand, { kind: 'model_call' | 'tool_call' }>;

const TOOLS = ['get_weather', 'get_time'];
const SILENT_MS = 60_000;
const RETENTION = { storedMs: 60_000, unstoredMs: 60_000, analyticsMs: 60_000 };

/** What limits the responses and calls of a key, in every way. */
const LIMITS: ScopeLimits[] = ['key:key-0', 'key:key-7', 'group:new'].map((scope) => ({
  scope,
  requestsPerMinute: 1_000,
  tokensPerMinute: 100_000,
  concurrency: 1_000,
}));

/**
 * Takes a response through every operation of the hot path: created twice, a model call, two tools, a model call. Then one of
 * a key with limits, and a call.
 */
export async function runHotPath(filled: FilledDatabase): Promise<HotPath> {
  const statements: HotStatement[] = [];
  let operation = '';
  const pool = new pg.Pool({ connectionString: filled.url, max: 1 });
  const database: Database = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool }),
    log: ({ query: { sql, parameters } }) => {
      if (!/^(begin|commit|rollback)/.test(sql)) statements.push({ operation, sql, parameters });
    },
  });
  const run = <T>(name: string, act: () => Promise<T>): Promise<T> => {
    operation = name;
    return act();
  };
  try {
    const context: StoreContext = { database, sealer: new Sealer('no secret'), retention: RETENTION };
    const record = (report: Ended) => recorded(context, report);
    const command = createCommand(filled.lastTurn);
    const created = await run('create', () => createResponse(context, command));
    await run('create again', () => createResponse(context, command));
    const first = addressOf(command.id, created?.added[0]);
    await run('unreported calls', () => bookUnreported(database, notesOf(first), 0));
    await run('started', () => markStarted(database, { kind: 'started', ...first }));
    const counted = await run('count attempt', () => countAttempt(database, command.id, 0));
    const again = addressOf(command.id, counted?.chain[0]);
    const called = await run('model result', () => record(modelReport(again, callItems(again.stepId))));
    let last = called;
    for (const step of called.added) {
      last = await run('tool result', () => record(toolReport(addressOf(command.id, step))));
    }
    const second = addressOf(command.id, last.added[0]);
    const ended = await run('model result', () => record(modelReport(second, textItems(second.stepId))));
    await run('retrieve', () => loadResponse(database, command.id));
    const turns = await run('conversation', () => loadTurns(database, filled.lastTurn));
    const silent = await run('sweep', () => silentResponses({ database }, SILENT_MS).execute());
    const seen = silent.at(-1);
    if (seen) await run('sweep on', () => silentResponses({ database }, SILENT_MS, seen).execute());
    const from = { at: new Date(Date.now() - 3 * SILENT_MS).toISOString(), id: command.id };
    await run('ends', () => endedResponses({ database }, from, SILENT_MS).execute());
    await run('overdue agents', () => overdueAgents({ database }).execute());
    await run('references', () => findItemOrigins(database, 'owner-0', [first.stepId, command.id]));
    await run('tidy', () => dueResponses({ database }).execute());
    const limited = createCommand(filled.lastTurn, LIMITS);
    const admitted = await run('create limited', () => createResponse(context, limited));
    await run('create limited again', () => createResponse(context, limited));
    const only = addressOf(limited.id, admitted?.added[0]);
    await run('limited result', () => record(modelReport(only, textItems(only.stepId), usageOf(30))));
    const call = newId(Date.now());
    await run('admit call', () =>
      database.transaction().execute(async (tx) => {
        const admission = await admitScopes(tx, LIMITS);
        await admission.take({ kind: 'call', id: call, forMs: 60_000 });
      }),
    );
    await run('release calls', () => releaseCalls(database, [call, newId(Date.now())]));
    await run('settle call', () => database.transaction().execute((tx) => settleCall(tx, call, 30)));
    for (let round = 0; round < 2; round += 1) await run('tidy limits', () => tidyLimits(database));
    await run('forget calls', () => forgetCalls(database, 365 * 24 * 3_600_000, new AbortController().signal));
    // What this connection has scanned counts in the statistics now, not some seconds later.
    await pool.query('SELECT pg_stat_force_next_flush()');
    return { statements, found: { turns: turns.length, silent: silent.length }, record: ended.record };
  } finally {
    await database.destroy();
  }
}

async function recorded(context: StoreContext, report: Ended): Promise<Committed> {
  const committed = await recordResult(context, report, new AbortController().signal);
  if (!committed?.fresh) throw new Error(`nothing was recorded of step ${report.stepId}`);
  return committed;
}

function createCommand(previousResponseId: ResponseId, limits: ScopeLimits[] = []): CreateCommand {
  const now = Date.now();
  return {
    id: newId(now),
    // Whose conversation it is: see the fill.
    owner: 'owner-0',
    request: {
      body: { model: 'demo', input: [{ type: 'message', role: 'user', content: 'What is it like in Paris?' }] },
      server_tools: TOOLS.map((name) => ({ name, description: null, parameters: null })),
      max_iterations: 10,
    },
    previousResponseId,
    conversationId: null,
    detached: false,
    bodyHash: null,
    keyName: 'key-0',
    limits,
    createdAt: now,
    askedAt: now,
    waitMs: 10_000,
    replyTo: 'nobody',
    correlationId: '0'.repeat(32),
  };
}

function addressOf(
  responseId: ResponseId,
  step: Step | undefined,
): Omit<Extract<ResultCommand, { kind: 'started' }>, 'kind'> {
  if (!step) throw new Error('there is no next step');
  return { responseId, stepId: step.id, attempt: step.attempt, startedAt: Date.now(), correlationId: '0'.repeat(32) };
}

function notesOf({ responseId, stepId, attempt }: ReturnType<typeof addressOf>): CallNote[] {
  const now = Date.now();
  const common = { responseId, stepId, attempt, call: 1, startedAt: now, by: null };
  const upstream = {
    model: 'demo',
    upstream: 'http://127.0.0.1:9100',
    upstreamModel: 'demo',
    endpoint: 'responses' as const,
  };
  return [
    { ...common, id: newId(now), target: { kind: 'model', ...upstream } },
    { ...common, id: newId(now), stepId: newId(now), target: { kind: 'tool', tool: 'get_weather' } },
  ];
}

function callItems(step: string): RecordedItem[] {
  return TOOLS.map((name, position) => ({
    item: {
      type: 'function_call',
      id: itemId('function_call', step, position),
      status: 'completed',
      call_id: itemId('call', step, position),
      name,
      arguments: '{"city":"Paris"}',
    },
    upstream_call_id: `call_${position}`,
  }));
}

function textItems(step: string): RecordedItem[] {
  const content = [{ type: 'output_text' as const, text: 'Sunny.', annotations: [], logprobs: [] }];
  return [
    { item: { type: 'message', id: itemId('message', step, 0), status: 'completed', role: 'assistant', content } },
  ];
}

function usageOf(total: number): Usage {
  return {
    input_tokens: total - 1,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 1,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: total,
  };
}

function modelReport(address: ReturnType<typeof addressOf>, items: RecordedItem[], usage: Usage | null = null): Ended {
  const call = { model: 'demo', upstream: 'http://127.0.0.1:9100', status: 200, ttfbMs: 5, durationMs: 50 };
  const tokens = {
    inputTokens: 20,
    cachedTokens: 0,
    outputTokens: 5,
    reasoningTokens: 0,
    firstTokenMs: 9,
    cost: 0.000_1,
  };
  return {
    kind: 'model_call',
    ...address,
    endedAt: Date.now(),
    result: { items, finish: 'stop', usage },
    error: null,
    log: { streamSeq: 2, nextEvent: 10, cursor: 1 },
    events: 8,
    calls: [{ ...call, ...tokens, errorCode: null }],
  };
}

function toolReport(address: ReturnType<typeof addressOf>): Ended {
  return {
    kind: 'tool_call',
    ...address,
    endedAt: Date.now(),
    outcome: { result: { output: '{"conditions":"sunny"}' } },
    calls: [{ tool: 'get_weather', status: 200, durationMs: 20, errorCode: null }],
  };
}

/** Limits as the database keeps them: what is counted, once, and what is given back. */
import { LimitReached, type ScopeLimits } from '@tailrace/bus';
import { ApiError, newId, type Usage } from '@tailrace/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { changeConversation } from '../../src/change-conversation.ts';
import { type Created, createResponse } from '../../src/create-response.ts';
import { admitScopes } from '../../src/limits/admission.ts';
import { releaseCalls, settleCall } from '../../src/limits/settlement.ts';
import { tidyLimits } from '../../src/limits/tidy-limits.ts';
import { recordResult } from '../../src/record-result.ts';
import { createCommand, type LimitedDatabase, limitedDatabase, scopeLimits } from './limited-database.ts';

const never = new AbortController().signal;

let limited: LimitedDatabase;
beforeAll(async () => {
  limited = await limitedDatabase();
});
afterAll(() => limited.stop());

/** A scope of its own for each test. */
let scope: string;
let group: string;
beforeEach(() => {
  const name = newId(Date.now());
  scope = `key:${name}`;
  group = `group:${name}`;
});

const create = (limits: ScopeLimits[], change = {}) => createResponse(limited.context, createCommand(limits, change));

async function refused(work: Promise<unknown>): Promise<LimitReached> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof LimitReached)) throw new Error(`it was not refused: ${String(error)}`);
  return error;
}

/** The outcomes of so many at once. */
async function race(count: number, start: () => Promise<unknown>): Promise<{ passed: number; refused: number }> {
  const outcomes = await Promise.allSettled(Array.from({ length: count }, start));
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  for (const failure of failures) if (!(failure instanceof LimitReached)) throw failure;
  return { passed: count - failures.length, refused: failures.length };
}

function usage(total: number): Usage {
  return {
    input_tokens: total - 1,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 1,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: total,
  };
}

function endOf(created: Created | undefined, tokens: number) {
  const step = created?.added[0];
  if (!created || !step) throw new Error('nothing was made');
  const now = Date.now();
  return {
    kind: 'model_call' as const,
    responseId: created.record.id,
    stepId: step.id,
    attempt: 1,
    startedAt: now,
    endedAt: now,
    correlationId: '0'.repeat(32),
    result: { items: [], finish: 'stop' as const, usage: usage(tokens) },
    error: null,
    log: { streamSeq: 1, nextEvent: 4, cursor: 1 },
    events: 3,
    calls: [],
  };
}

async function bucket(): Promise<{ requests_used: number; tokens_used: number } | undefined> {
  const [row] = await limited.rows<{ requests_used: number; tokens_used: number }>(
    `SELECT requests_used, tokens_used FROM limit_buckets WHERE scope = '${scope}'`,
  );
  return row;
}
const leases = () => limited.rows(`SELECT * FROM limit_leases WHERE scope IN ('${scope}', '${group}')`);
const responses = () => limited.rows(`SELECT id FROM responses WHERE key_name = '${scope}'`);

describe('requests', () => {
  test('that come at once: exactly as many pass as there is room for', async () => {
    const limits = [scopeLimits(scope, { requestsPerMinute: 5 })];
    expect(await race(20, () => create(limits, { keyName: scope }))).toEqual({ passed: 5, refused: 15 });
    expect(await responses()).toHaveLength(5);
  });

  test('count for each scope or for none', async () => {
    const own = (name: string) => scopeLimits(`${scope}-${name}`, { requestsPerMinute: 4 });
    const shared = scopeLimits(group, { requestsPerMinute: 6 });
    let turn = 0;
    const outcome = await race(20, () => {
      turn += 1;
      const name = turn % 2 ? 'a' : 'b';
      // Whatever the order in which they are told.
      return create(turn % 3 ? [own(name), shared] : [shared, own(name)]);
    });
    expect(outcome).toEqual({ passed: 6, refused: 14 });
    const rows = await limited.rows<{ used: number }>(
      `SELECT requests_used AS used FROM limit_buckets WHERE scope LIKE '${scope}-%'`,
    );
    expect(rows.reduce((sum, { used }) => sum + used, 0)).toBeCloseTo(6, 0);
  });

  test('are told where they stand, and when to come again', async () => {
    const limits = [scopeLimits(scope, { requestsPerMinute: 2, tokensPerMinute: 600 })];
    const { rateLimit } = (await create(limits)) ?? {};
    expect(rateLimit).toEqual({
      requests: { limit: 2, remaining: 1, resetMs: expect.closeTo(30_000, -2) },
      tokens: { limit: 600, remaining: 600, resetMs: 0 },
    });
    await create(limits);
    const error = await refused(create(limits));
    expect(error.message).toBe(`Rate limit reached: this key may make 2 requests a minute. Try again in 30 s.`);
    expect(error.retryAfter).toBe(30);
    expect(error.refusal.rateLimit.requests).toMatchObject({ limit: 2, remaining: 0 });
  });

  test('that are refused leave nothing', async () => {
    const limits = [scopeLimits(scope, { requestsPerMinute: 1, concurrency: 5 })];
    await create(limits);
    const before = await bucket();
    const command = createCommand(limits);
    await refused(createResponse(limited.context, command));
    expect(await limited.rows(`SELECT id FROM responses WHERE id = '${command.id}'`)).toEqual([]);
    expect(await leases()).toHaveLength(1);
    expect((await bucket())?.requests_used).toBe(before?.requests_used);
  });

  test('that are told again are not counted again, even where there is no room', async () => {
    const limits = [scopeLimits(scope, { requestsPerMinute: 2, concurrency: 2 })];
    const command = createCommand(limits, { bodyHash: 'same' });
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => createResponse(limited.context, command)));
    expect(outcomes.filter((made) => made?.fresh)).toHaveLength(1);
    expect(await leases()).toHaveLength(1);
    expect((await bucket())?.requests_used).toBe(1);
    await create(limits);
    await refused(create(limits));
    const again = await createResponse(limited.context, command);
    expect(again).toMatchObject({ fresh: false, rateLimit: { requests: { limit: 2, remaining: 0 } } });
    const other = createResponse(limited.context, { ...command, bodyHash: 'other' });
    await expect(other).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });

  test('that are refused for something else are not counted', async () => {
    const limits = [scopeLimits(scope, { requestsPerMinute: 2 })];
    const previousResponseId = newId(Date.now());
    await expect(create(limits, { previousResponseId })).rejects.toBeInstanceOf(ApiError);
    expect(await bucket()).toBeUndefined();
  });

  test('come back as time goes by, by the clock of the database', async () => {
    const limits = [scopeLimits(scope, { requestsPerMinute: 2 })];
    await create(limits);
    await create(limits);
    await refused(create(limits));
    const past = `UPDATE limit_buckets SET requests_at = requests_at - interval '31 seconds' WHERE scope = '${scope}'`;
    await limited.rows(past);
    await create(limits);
    await refused(create(limits));
  });

  test('of a conversation are counted likewise', async () => {
    const limits = [scopeLimits(scope, { requestsPerMinute: 1, concurrency: 3 })];
    const conversation = async () => {
      const id = newId(Date.now());
      await changeConversation(limited.context as never, {
        ...createCommand([]),
        id,
        change: { type: 'create', metadata: {}, items: [], batch: id },
      });
      return id;
    };
    const first = createCommand(limits, { conversationId: await conversation(), bodyHash: 'same' });
    expect(await createResponse(limited.context, first)).toMatchObject({
      fresh: true,
      rateLimit: { requests: { remaining: 0 } },
    });
    const second = await conversation();
    await refused(create(limits, { conversationId: second }));
    const [row] = await limited.rows(`SELECT active_response_id FROM conversations WHERE id = '${second}'`);
    expect(row).toEqual({ active_response_id: null });
    expect(await createResponse(limited.context, first)).toMatchObject({
      fresh: false,
      rateLimit: { requests: { remaining: 0 } },
    });
    expect(await leases()).toHaveLength(1);
  });
});

describe('what is under way', () => {
  test('at once: exactly as many as there is room for, and another when one has ended', async () => {
    const limits = [scopeLimits(scope, { concurrency: 3 }), scopeLimits(group, { concurrency: 100 })];
    const made: (Created | undefined)[] = [];
    const outcome = await race(12, async () => made.push(await create(limits)));
    expect(outcome).toEqual({ passed: 3, refused: 9 });
    const error = await refused(create(limits));
    expect(error.refusal).toMatchObject({ waitMs: null, rateLimit: { requests: null, tokens: null } });
    expect(error.retryAfter).toBe(1);
    const report = endOf(made[0], 5);
    await recordResult(limited.context, report, never);
    await recordResult(limited.context, report, never);
    expect(await race(4, () => create(limits))).toEqual({ passed: 1, refused: 3 });
    expect(await leases()).toHaveLength(6);
  });
});

describe('tokens', () => {
  test('are charged when a step is recorded, once, and refuse what comes when none are left', async () => {
    const limits = [scopeLimits(scope, { tokensPerMinute: 1_000 }), scopeLimits(group, { tokensPerMinute: 5_000 })];
    const first = await create(limits);
    const second = await create(limits);
    const report = endOf(first, 900);
    await Promise.all([recordResult(limited.context, report, never), recordResult(limited.context, report, never)]);
    const used = (await bucket())?.tokens_used;
    expect(used).toBeGreaterThan(890);
    expect(used).toBeLessThanOrEqual(900);
    const third = await create(limits);
    expect(third?.rateLimit?.tokens).toMatchObject({
      limit: 1_000,
      remaining: expect.toSatisfy((n) => n >= 100 && n < 700),
    });
    await recordResult(limited.context, endOf(second, 1_500), never);
    const error = await refused(create(limits));
    expect(error.message).toContain('this key may use 1000 tokens a minute');
    expect(error.retryAfter).toBeGreaterThan(60);
    expect(error.refusal.rateLimit.tokens).toMatchObject({ limit: 1_000, remaining: 0 });
    // What runs, goes on.
    await recordResult(limited.context, endOf(third, 10), never);
  });

  test('of many responses at once are charged to all their scopes, whatever their order', async () => {
    const limits = [
      scopeLimits(scope, { tokensPerMinute: 1_000_000 }),
      scopeLimits(group, { tokensPerMinute: 1_000_000 }),
    ];
    const made = await Promise.all(Array.from({ length: 10 }, (_, n) => create(n % 2 ? limits : limits.toReversed())));
    const began = Date.now();
    await Promise.all(made.map((each) => recordResult(limited.context, endOf(each, 100_000), never)));
    const drained = ((Date.now() - began + 1_000) / 60_000) * 1_000_000;
    for (const name of [scope, group]) {
      const [row] = await limited.rows<{ used: number }>(
        `SELECT tokens_used AS used FROM limit_buckets WHERE scope = '${name}'`,
      );
      expect(row?.used).toBeLessThanOrEqual(1_000_000);
      expect(row?.used).toBeGreaterThan(1_000_000 - drained);
    }
  });

  test('drain at the rate that holds now, not at the one that held when the response began', async () => {
    const slow = await create([scopeLimits(scope, { tokensPerMinute: 60 })]);
    await create([scopeLimits(scope, { tokensPerMinute: 600_000 })]);
    await limited.rows(
      `UPDATE limit_buckets SET tokens_used = 600000, tokens_at = tokens_at - interval '30 seconds' WHERE scope = '${scope}'`,
    );
    await recordResult(limited.context, endOf(slow, 100), never);
    expect((await bucket())?.tokens_used).toBeLessThan(301_000);
  });
});

describe('a call that is relayed', () => {
  const limits = () => [scopeLimits(scope, { requestsPerMinute: 10, tokensPerMinute: 1_000, concurrency: 1 })];
  const admit = (forMs: number) => {
    const id = newId(Date.now());
    return limited.database.transaction().execute(async (tx) => {
      const admission = await admitScopes(tx, limits());
      return { id, leased: await admission.take({ kind: 'call', id, forMs }) };
    });
  };
  const settle = (id: string, tokens: number) =>
    limited.database.transaction().execute((tx) => settleCall(tx, id, tokens));

  test('holds its place until its result, which charges its tokens once', async () => {
    const { id, leased } = await admit(60_000);
    expect(leased).toBe(true);
    await refused(admit(60_000));
    await settle(id, 500);
    await settle(id, 500);
    expect((await bucket())?.tokens_used).toBeLessThanOrEqual(500);
    expect((await bucket())?.tokens_used).toBeGreaterThan(450);
    expect(await leases()).toEqual([]);
    await admit(60_000);
  });

  test('gives its place back when it is released; its result is charged all the same', async () => {
    const { id } = await admit(60_000);
    await releaseCalls(limited.database, [id]);
    await releaseCalls(limited.database, [id]);
    const next = await admit(60_000);
    await settle(id, 400);
    expect((await bucket())?.tokens_used).toBeGreaterThan(350);
    await refused(admit(60_000));
    await releaseCalls(limited.database, [next.id]);
  });

  test('loses its place when nobody tells of its end', async () => {
    await admit(1);
    await expect
      .poll(() =>
        admit(60_000).then(
          () => 'admitted',
          () => 'refused',
        ),
      )
      .toBe('admitted');
  });

  test('shares its place with responses', async () => {
    const made = await create(limits());
    await refused(admit(60_000));
    // It was no call.
    await releaseCalls(limited.database, [made?.record.id ?? '']);
    await refused(admit(60_000));
    await recordResult(limited.context, endOf(made, 1), never);
    await admit(60_000);
    await refused(create(limits()));
  });

  test('of a key whose requests alone are limited has no end that matters', async () => {
    const leased = await limited.database.transaction().execute(async (tx) => {
      const admission = await admitScopes(tx, [scopeLimits(scope, { requestsPerMinute: 1 })]);
      return admission.take({ kind: 'call', id: newId(Date.now()), forMs: 60_000 });
    });
    expect(leased).toBe(false);
    expect(await leases()).toEqual([]);
  });
});

describe('tidying', () => {
  /** To the end, wherever the last round was, and from the beginning to the end. @returns in how many rounds. */
  async function allTidied(): Promise<number> {
    let rounds = 0;
    for (let ends = 0; ends < 2; rounds += 1) if (await tidyLimits(limited.database)) ends += 1;
    return rounds;
  }

  test('looks at a few rows in a round, and at all of them in the end', async () => {
    const old = `now() - interval '8 days'`;
    await limited.rows(`
      INSERT INTO limit_buckets (scope, requests_at, tokens_at)
      SELECT '${group}-' || n, ${old}, ${old} FROM generate_series(1, 120) AS n`);
    await limited.rows(`
      INSERT INTO limit_leases SELECT '${group}', gen_random_uuid(), NULL FROM generate_series(1, 120)`);
    expect(await allTidied()).toBeGreaterThan(3);
    expect(await limited.rows(`SELECT FROM limit_buckets WHERE scope LIKE '${group}-%'`)).toEqual([]);
    expect(await leases()).toEqual([]);
  });

  test('removes what is of no use, and nothing else', async () => {
    const running = await create([scopeLimits(scope, { concurrency: 2, tokensPerMinute: 10 })]);
    const old = `now() - interval '8 days'`;
    await limited.rows(`
      INSERT INTO limit_leases VALUES
        ('${group}', '${newId(Date.now())}', now() - interval '2 hours'),
        ('${group}-kept', '${newId(Date.now())}', now() - interval '30 minutes'),
        ('${group}', '${newId(Date.now())}', NULL)`);
    await limited.rows(`
      INSERT INTO limit_buckets (scope, requests_at, tokens_at, tokens_used, tokens_per_minute) VALUES
        ('${group}', ${old}, ${old}, 100, 10),
        ('${group}-debt', ${old}, ${old}, 1000000, 10),
        ('${group}-kept', ${old}, ${old}, 0, NULL),
        ('${group}-used', ${old}, now(), 0, 10)`);
    await allTidied();
    expect(await leases()).toMatchObject([{ holder: running?.record.id, scope }]);
    const left = await limited.rows<{ scope: string }>(
      `SELECT scope FROM limit_buckets WHERE scope LIKE '${group}%' ORDER BY scope`,
    );
    expect(left.map((row) => row.scope)).toEqual([`${group}-debt`, `${group}-kept`, `${group}-used`]);
  });
});

describe('a key without limits', () => {
  test('costs no statement more, and no transaction', async () => {
    limited.statements.length = 0;
    const made = await create([]);
    expect(limited.statements).toHaveLength(1);
    const ofUnlimited = await statementsOf(() => recordResult(limited.context, endOf(made, 100), never));
    const [row] = await limited.rows(`SELECT key_name, limit_scopes FROM responses WHERE id = '${made?.record.id}'`);
    expect(row).toEqual({ key_name: 'alice', limit_scopes: null });
    expect(
      [...limited.statements, ...ofUnlimited].filter((statement) => /limit_(buckets|leases)/.test(statement)),
    ).toEqual([]);
    const other = await create([scopeLimits(scope, { tokensPerMinute: 1_000, concurrency: 1 })]);
    const ofLimited = await statementsOf(() => recordResult(limited.context, endOf(other, 100), never));
    expect(ofLimited.length).toBeGreaterThan(ofUnlimited.length);
    // It is what limits bring, and nothing else, that makes the difference.
    expect(ofLimited.filter((statement) => !/limit_(buckets|leases)/.test(statement))).toEqual(ofUnlimited);
  });

  async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
    limited.statements.length = 0;
    await work();
    return [...limited.statements];
  }
});

/** What a team administers, through one gateway, and in force at the other within a second. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { uuidOf } from '../harness/public-id.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

/** A change is live on every pod within this many milliseconds. */
const LIVE_MS = 1_000;

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({ replicas: { gateway: 2 }, env: { REGISTRY_CHECK_MS: '600000' } });
});
afterAll(() => stack.stop());

interface Answer {
  status: number;
  body: Record<string, unknown> & { error?: { code: string; param: string | null; message: string } };
}

/** Everything that the admin API has said, for the secret scan at the end. */
const said: string[] = [];
/** Secrets that went in. The keys that are shown once are scanned for by their own tests. */
const SECRETS = {
  upstream: 'sk-upstream-hush-0123456789',
  header: 'Bearer hush-header-0123456789',
  webhook: 'whsec_aHVzaHVzaHVzaHVzaHVzaHVzaHVzaHVzaHVzaA==',
  key: 'tr-own-hush-0123456789abcdef',
};

async function admin(method: string, path: string, body?: unknown, gateway = 0): Promise<Answer> {
  const answer = await stack.fetch(`/admin/v1${path}`, {
    method,
    gateway,
    headers: { authorization: `Bearer ${stack.adminKey}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  said.push(text);
  return { status: answer.status, body: JSON.parse(text) };
}

async function statusWith(key: string, gateway: number): Promise<number> {
  const answer = await stack.fetch('/v1/models', { gateway, headers: { authorization: `Bearer ${key}` } });
  await answer.text();
  return answer.status;
}

const upstream = () => ({ base_url: `${stack.demoModelUrl}/v1`, api_key: SECRETS.upstream, model: 'demo' });
const httpTool = (change: Record<string, unknown> = {}) => ({
  kind: 'http',
  url: `${stack.demoModelUrl}/tools/get_time?demo=1`,
  description: 'The time.',
  ...change,
});

async function modelsAt(gateway: number, key = stack.apiKey): Promise<string[]> {
  const answer = await stack.fetch('/v1/models', { gateway, headers: { authorization: `Bearer ${key}` } });
  return ((await answer.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
}

describe('keys', () => {
  test('are made, shown once, and good at every gateway', async () => {
    const made = await admin('POST', '/keys', { name: 'ci', groups: ['everyone'] });
    expect(made).toMatchObject({
      status: 201,
      body: { object: 'key', name: 'ci', owner: 'ci', source: 'api', key: expect.stringMatching(/^tr-.{43}$/) },
    });
    const { key } = made.body as { key: string };
    for (const gateway of [0, 1])
      await eventually('it is good', async () => (await statusWith(key, gateway)) === 200, LIVE_MS);
    const shown = await admin('GET', '/keys/ci');
    expect(shown.status).toBe(200);
    expect(shown.body).not.toHaveProperty('key');
    expect(JSON.stringify([shown, await admin('GET', '/keys')])).not.toContain(key);
    expect(await admin('POST', '/keys', { name: 'ci' })).toMatchObject({
      status: 400,
      body: { error: { code: 'entry_exists' } },
    });
  });

  test('are rotated: the one before is good for as long as was said', async () => {
    const first = (await admin('POST', '/keys', { name: 'rotated' })).body.key as string;
    const second = await admin('POST', '/keys/rotated/rotate', { grace_seconds: 3 }, 1);
    expect(second).toMatchObject({ status: 200, body: { previous_expires_at: expect.any(String) } });
    const key = second.body.key as string;
    await eventually('the new one is good', async () => (await statusWith(key, 0)) === 200, LIVE_MS);
    expect(await statusWith(first, 0)).toBe(200);
    const over = new Date(second.body.previous_expires_at as string).getTime();
    await eventually('the grace is over', async () => (await statusWith(first, 0)) === 401, 6_000);
    expect(Date.now()).toBeGreaterThanOrEqual(over);
    const third = (await admin('POST', '/keys/rotated/rotate')).body.key as string;
    for (const gateway of [0, 1]) {
      await eventually('without grace at once', async () => (await statusWith(key, gateway)) === 401, LIVE_MS);
      await eventually('the newest is good', async () => (await statusWith(third, gateway)) === 200, LIVE_MS);
    }
  });

  test('are revoked, at every gateway, and never come back', async () => {
    const put = { key: SECRETS.key, owner: 'team' };
    expect(await admin('PUT', '/keys/own', put)).toMatchObject({ status: 201, body: { owner: 'team' } });
    expect(await admin('PUT', '/keys/own', put)).toMatchObject({ status: 200 });
    for (const gateway of [0, 1])
      await eventually('it is good', async () => (await statusWith(SECRETS.key, gateway)) === 200, LIVE_MS);
    const removed = await admin('DELETE', '/keys/own', undefined, 1);
    expect(removed).toEqual({ status: 200, body: { object: 'key.deleted', name: 'own', deleted: true } });
    for (const gateway of [0, 1]) {
      await eventually('it is revoked', async () => (await statusWith(SECRETS.key, gateway)) === 401, LIVE_MS);
    }
    expect(await admin('DELETE', '/keys/own')).toMatchObject({ status: 404 });
    expect(await admin('PUT', '/keys/other', put)).toMatchObject({
      status: 400,
      body: { error: { code: 'key_taken' } },
    });
    expect(await admin('PUT', '/keys/new', {})).toMatchObject({
      status: 400,
      body: { error: { code: 'missing_required_parameter', param: 'key' } },
    });
  });

  test('expire by the clock', async () => {
    const key = (await admin('POST', '/keys', { name: 'short' })).body.key as string;
    await eventually('it is good', async () => (await statusWith(key, 1)) === 200, LIVE_MS);
    const expires_at = new Date(Date.now() + 1_500).toISOString();
    expect(await admin('PUT', '/keys/short', { expires_at })).toMatchObject({ status: 200, body: { expires_at } });
    await eventually('it has expired', async () => (await statusWith(key, 1)) === 401, 5_000);
    expect(Date.now()).toBeGreaterThanOrEqual(new Date(expires_at).getTime());
  });

  test('see what their groups see, from one second to the next', async () => {
    const key = (await admin('POST', '/keys', { name: 'grouped', groups: ['few'] })).body.key as string;
    await eventually('it is good', async () => (await statusWith(key, 1)) === 200, LIVE_MS);
    expect(await modelsAt(1, key)).toEqual([]);
    expect(await admin('PUT', '/models/few-only', { groups: ['few'], upstreams: [upstream()] })).toMatchObject({
      status: 201,
    });
    await eventually('the model is offered', async () => (await modelsAt(1, key)).includes('few-only'), LIVE_MS);
    expect(await modelsAt(1)).not.toContain('few-only');
  });
});

describe('models, tools, groups and webhooks', () => {
  test('a model with slashes in its name, made at one gateway, answers at the other, and goes again', async () => {
    const put = await admin('PUT', '/models/team/fast:1', { upstreams: [upstream()] });
    expect(put).toMatchObject({
      status: 201,
      body: { name: 'team/fast:1', upstreams: [{ api_key: '***', weight: 1 }] },
    });
    expect((await admin('GET', '/models/team%2Ffast:1', undefined, 1)).body).toEqual(put.body);
    await eventually('it is there', async () => (await modelsAt(1)).includes('team/fast:1'), LIVE_MS);
    const response = await stack.openai(1).responses.create({ model: 'team/fast:1', input: script('!say Hi.').text });
    expect(response.output_text).toBe('Hi.');
    expect((await admin('DELETE', '/models/team/fast:1', undefined, 1)).status).toBe(200);
    await eventually('it is gone', async () => !(await modelsAt(0)).includes('team/fast:1'), LIVE_MS);
  });

  test('what was shown may be sent back as it is; secrets stay', async () => {
    await admin('PUT', '/tools/clock', httpTool({ headers: { authorization: SECRETS.header } }));
    const shown = await admin('GET', '/tools/clock');
    expect(shown.body).toMatchObject({ headers: { authorization: '***' }, arguments_in: 'body', source: 'api' });
    const stored = async () =>
      (await stack.database.query("SELECT headers FROM registry_tools WHERE name = 'clock'")).rows;
    const before = await stored();
    expect(await admin('PUT', '/tools/clock', { ...shown.body, concurrency: 3 })).toEqual({
      status: 200,
      body: { ...shown.body, concurrency: 3 },
    });
    expect(await stored()).toEqual(before);
    expect(await admin('PUT', '/tools/clock', httpTool({ headers: { 'x-other': '***' } }))).toMatchObject({
      status: 400,
      body: { error: { param: 'headers.x-other' } },
    });
    // Elsewhere they would be told to somebody else.
    expect(await admin('PUT', '/tools/clock', { ...shown.body, url: 'http://127.0.0.1:9/elsewhere' })).toMatchObject({
      status: 400,
      body: { error: { param: 'headers.authorization' } },
    });
    expect(await stored()).toEqual(before);
  });

  test('what nobody could use is refused, and nothing else is wrong then', async () => {
    for (const [path, body, param] of [
      ['/tools/odd', httpTool({ parameters: { type: 'objekt' } }), 'parameters'],
      ['/tools/odd', httpTool({ parameters: { properties: { a: { pattern: '[' } } } }), 'parameters'],
      ['/keys/odd', { groups: ['\0x'] }, 'groups[0]'],
      ['/groups/a%00b', {}, 'name'],
    ] as const) {
      const refused = await admin('PUT', path, body);
      expect(refused).toMatchObject({ status: 400, body: { error: { code: 'invalid_value', param } } });
    }
    for (const path of ['/groups/a%00b', '/tools?page=%00', '/usage?key=%00']) {
      expect(await admin('GET', path)).toMatchObject({ status: 400, body: { error: { code: 'invalid_value' } } });
    }
    expect((await admin('GET', '/tools/odd')).status).toBe(404);
  });

  test('an agent needs what is there, and what it needs stays', async () => {
    await admin('PUT', '/tools/clock', httpTool());
    await admin('PUT', '/models/agents-own', { upstreams: [upstream()] });
    const agent = { kind: 'agent', model: 'agents-own', tools: ['clock', 'researcher'] };
    for (const [change, param] of [
      [{ model: 'nowhere' }, 'model'],
      [{ tools: ['clock', 'nowhere'] }, 'tools[1]'],
    ] as const) {
      const refused = await admin('PUT', '/tools/researcher', { ...agent, ...change });
      expect(refused).toMatchObject({ status: 400, body: { error: { code: 'invalid_value', param } } });
      expect((await admin('GET', '/tools/researcher')).status).toBe(404);
    }
    expect((await admin('PUT', '/tools/researcher', agent)).status).toBe(201);
    for (const used of ['/models/agents-own', '/tools/clock']) {
      const refused = await admin('DELETE', used);
      expect(refused).toMatchObject({ status: 400, body: { error: { code: 'entry_in_use' } } });
      expect(refused.body.error?.message).toContain('researcher');
    }
    for (const path of ['/tools/researcher', '/models/agents-own', '/tools/clock']) {
      expect((await admin('DELETE', path)).status).toBe(200);
    }
  });

  test('a name is one tool’s, whatever its kind', async () => {
    await admin('PUT', '/tools/changing', httpTool());
    const mcp = { kind: 'mcp', url: 'http://127.0.0.1:9/mcp', require_approval: { always: { tool_names: ['x'] } } };
    const put = await admin('PUT', '/tools/changing', mcp);
    expect(put).toMatchObject({
      status: 200,
      body: { kind: 'mcp', require_approval: { always: { tool_names: ['x'] } } },
    });
    expect((await admin('GET', '/tools?limit=1000')).body.data).toContainEqual(put.body);
    expect((await admin('DELETE', '/tools/changing')).status).toBe(200);
  });

  test.each([
    [
      '/tools/leaving',
      { status: 'completed', output: [{}, {}, { output: expect.stringMatching('tool_unavailable') }, {}] },
    ],
    ['/models/leaving', { status: 'failed', error: { code: 'model_unavailable' } }],
  ])('a response that was given %s when it is removed comes to an end', async (path, end) => {
    await admin('PUT', '/tools/leaving', httpTool());
    await admin('PUT', '/models/leaving', { upstreams: [upstream()] });
    const client = stack.openai();
    const { text: input } = script('!text 20 50', '!call leaving {}', '!turn', '!say Done.');
    const made = await eventually('it may be used', async () => {
      const answer = await stack.fetch('/v1/responses', {
        method: 'POST',
        body: JSON.stringify({ model: 'leaving', input, background: true }),
      });
      return answer.ok && ((await answer.json()) as { id: string });
    });
    const steps = `SELECT 1 FROM response_steps WHERE response_id = $1 AND state = 'processing'`;
    await eventually('its model talks', async () => {
      return (await stack.database.query(steps, [uuidOf(made.id)])).rowCount === 1;
    });
    expect((await admin('DELETE', path)).status).toBe(200);
    const ended = await eventually(
      'it has ended',
      async () => {
        const now = await client.responses.retrieve(made.id);
        return now.status !== 'in_progress' && now;
      },
      8_000,
    );
    expect(ended).toMatchObject(end);
    for (const left of ['/tools/leaving', '/models/leaving']) await admin('DELETE', left);
  });

  test('groups have limits, webhooks have secrets that nobody sees', async () => {
    const limits = { requests_per_minute: 5, tokens_per_minute: null, concurrency: 2 };
    expect(await admin('PUT', '/groups/two words', { limits })).toMatchObject({ status: 201, body: { limits } });
    expect((await admin('GET', '/groups/two%20words', undefined, 1)).body).toMatchObject({ limits });
    expect((await admin('DELETE', '/groups/two%20words')).status).toBe(200);
    const hook = { url: 'http://127.0.0.1:9/ended', secret: SECRETS.webhook };
    const put = await admin('PUT', '/webhooks/billing', hook);
    expect(put).toMatchObject({ status: 201, body: { secret: '***', events: expect.any(Array), owners: null } });
    expect(await admin('PUT', '/webhooks/billing', { ...put.body, owners: ['x'] })).toMatchObject({ status: 200 });
    expect((await admin('DELETE', '/webhooks/billing')).status).toBe(200);
  });

  test('lists come in pages', async () => {
    const names = ['page-a', 'page-b', 'page-c'];
    for (const name of names) await admin('PUT', `/groups/${name}`, {});
    const seen: string[] = [];
    let page = '';
    do {
      const { body } = await admin('GET', `/groups?limit=2${page}`);
      const { data, has_more, next_page } = body as { data: { name: string }[]; has_more: boolean; next_page: string };
      expect(data.length).toBeLessThanOrEqual(2);
      seen.push(...data.map(({ name }) => name));
      expect(has_more).toBe(next_page !== null);
      page = has_more ? `&page=${encodeURIComponent(next_page)}` : '';
    } while (page !== '');
    expect(seen).toEqual([...new Set(seen)]);
    expect(seen).toEqual(expect.arrayContaining(names));
    for (const name of names) await admin('DELETE', `/groups/${name}`);
  });
});

test('what was administered outlives its orchestrator, and so does being able to', async () => {
  const key = (await admin('POST', '/keys', { name: 'lasting' })).body.key as string;
  const gone = (await admin('POST', '/keys', { name: 'leaving' })).body.key as string;
  await admin('DELETE', '/keys/leaving');
  // The stack's own file names it, too.
  const demo = (await admin('GET', '/models/demo')).body;
  await admin('PUT', '/models/demo', { ...demo, context_window: 123_456 });
  await stack.kill('orchestrator');
  const refused = await admin('PUT', '/groups/nobody', {});
  expect(refused).toMatchObject({ status: 503, body: { error: { code: 'unavailable' } } });
  expect(await statusWith(key, 1)).toBe(200);
  await stack.start('orchestrator');
  for (const gateway of [0, 1]) {
    expect(await statusWith(key, gateway)).toBe(200);
    expect(await statusWith(gone, gateway)).toBe(401);
  }
  expect((await admin('GET', '/models/demo')).body).toMatchObject({ context_window: 123_456, source: 'file' });
  expect((await admin('DELETE', '/keys/lasting')).status).toBe(200);
  await eventually('it is revoked', async () => (await statusWith(key, 1)) === 401, LIVE_MS);
});

test('many changes at once, at both gateways, are all in force in the end', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `at-once-${index}`);
  const made = await Promise.all(names.map((name, index) => admin('POST', '/keys', { name }, index % 2)));
  for (const gateway of [0, 1]) {
    for (const { body } of made) {
      await eventually('it is good', async () => (await statusWith(body.key as string, gateway)) === 200, LIVE_MS);
    }
  }
});

test('no secret is in an answer, a log, or a table', async () => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const { rows: tables } = await client.query<{ name: string }>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_name LIKE 'registry_%'",
  );
  const stored: unknown[] = [];
  for (const { name } of tables) stored.push((await client.query(`SELECT * FROM ${name}`)).rows);
  await client.end();
  const logs = join(stack.dataDir, 'logs');
  const files = await Promise.all((await readdir(logs)).map((name) => readFile(join(logs, name), 'utf8')));
  const everything = [...said, JSON.stringify(stored), ...files].join('\n');
  expect(everything.length).toBeGreaterThan(10_000);
  for (const secret of Object.values(SECRETS)) expect(everything).not.toContain(secret);
  expect(files.join('\n')).not.toMatch(/tr-[A-Za-z0-9_-]{43}/);
});

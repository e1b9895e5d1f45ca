import { type Database, readRegistry } from '@tailrace/database';
import { hashKey, type RegisteredAgentTool, type RegisteredHttpTool, RegistryView, Sealer } from '@tailrace/registry';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { applyChange } from '../src/admin-changes.ts';
import { applyConfig } from '../src/registry-file.ts';
import { configOf, emptyRegistry, registryDatabase } from './registry-database.ts';

let database: Database;
beforeAll(async () => {
  database = await registryDatabase();
});
beforeEach(() => emptyRegistry(database));
afterAll(() => database.destroy());

const sealer = new Sealer('the key of this installation');
const KEY = 'tr-alice-0123456789abcdef';
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const PARAMETERS = { type: 'object', properties: { b: {}, a: {} } };
const written = {
  keys: [{ name: 'alice', key: KEY }],
  groups: [{ name: 'staff', limits: { tokens_per_minute: 5_000 } }],
  models: [
    {
      name: 'small',
      concurrency: 4,
      context_window: 4_096,
      upstreams: [
        {
          base_url: 'http://127.0.0.1:1/v1',
          api_key: 'sk-upstream',
          model: 'tiny',
          dialect: 'responses',
          timeouts: { idle_ms: 5 },
          price: { input: 2, output: 8 },
        },
      ],
    },
  ],
  tools: [
    // Before the one that it needs.
    { name: 'scout', kind: 'agent', model: 'small', tools: ['look', 'scout', 'board'], max_iterations: 2 },
    {
      name: 'look',
      kind: 'http',
      url: 'http://127.0.0.1:2/look',
      headers: { authorization: 'Bearer secret' },
      parameters: PARAMETERS,
      idempotent: true,
      client_override: true,
    },
    { name: 'board', kind: 'mcp', url: 'http://127.0.0.1:3/mcp', require_approval: { always: { tool_names: ['x'] } } },
  ],
  webhooks: [{ name: 'billing', url: 'http://127.0.0.1:3/ended', secret: SECRET, events: ['response.completed'] }],
};
const config = configOf(written);

const view = async () => new RegistryView((await readRegistry(database)).snapshot);
const storedWebhooks = () => database.selectFrom('registry_webhooks').selectAll().orderBy('name').execute();
const everything = async () => [await readRegistry(database), await storedWebhooks()];

test('what is configured is what services see, with every secret hashed or sealed', async () => {
  await applyConfig(database, config, sealer);
  const { snapshot } = await readRegistry(database);
  const seen = new RegistryView(snapshot);
  expect(snapshot.keys).toEqual([
    {
      name: 'alice',
      hash: hashKey(KEY),
      previous: null,
      owner: 'alice',
      groups: ['everyone'],
      expiresAt: null,
      limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: null },
    },
  ]);
  expect(snapshot.groups).toEqual([
    { name: 'staff', limits: { requestsPerMinute: null, tokensPerMinute: 5_000, concurrency: null } },
  ]);
  const model = seen.models.get('small');
  expect(model).toMatchObject({ contextWindow: 4_096, concurrency: 4 });
  expect(model?.failoverStatuses).toContain(529);
  expect(model?.upstreams).toEqual([
    {
      baseUrl: 'http://127.0.0.1:1/v1',
      apiKey: expect.any(String),
      model: 'tiny',
      dialect: 'responses',
      priority: 0,
      weight: 1,
      timeouts: { connectMs: null, firstTokenMs: null, idleMs: 5, totalMs: null },
      concurrency: null,
      price: { input: 2, cachedInput: 2, output: 8 },
    },
  ]);
  expect(sealer.open(model?.upstreams[0]?.apiKey ?? '')).toBe('sk-upstream');
  const tool = seen.tools.get('look') as RegisteredHttpTool;
  expect(tool).toMatchObject({ kind: 'http', method: 'POST', argumentsIn: 'body', clientOverride: true });
  expect(sealer.open(tool.headers.authorization ?? '')).toBe('Bearer secret');
  expect(JSON.stringify(tool.parameters)).toBe(JSON.stringify(PARAMETERS));
  expect(seen.tools.get('scout')).toMatchObject({
    kind: 'agent',
    model: 'small',
    tools: ['look', 'scout', 'board'],
    maxIterations: 2,
    maxToolCalls: null,
  } satisfies Partial<RegisteredAgentTool>);
  expect(seen.tools.get('board')).toMatchObject({ kind: 'mcp', requireApproval: { always: ['x'], never: [] } });
  for (const secret of ['tr-alice', 'sk-upstream', 'Bearer']) expect(JSON.stringify(snapshot)).not.toContain(secret);
});

test('a webhook is stored with its secret sealed, and is told to no service', async () => {
  await applyConfig(database, config, sealer);
  const webhooks = await storedWebhooks();
  expect(webhooks).toMatchObject([{ name: 'billing', events: ['response.completed'], owners: null }]);
  expect(sealer.open(webhooks[0]?.secret_sealed ?? '')).toBe(SECRET);
  expect(JSON.stringify([webhooks, await readRegistry(database)])).not.toContain(SECRET.slice(6));
});

describe('a file that is applied again', () => {
  test('changes nothing when it says the same, not even the version', async () => {
    expect(await applyConfig(database, config, sealer)).toEqual({ changed: true, warnings: [] });
    const before = await everything();
    expect(await applyConfig(database, config, sealer)).toEqual({ changed: false, warnings: [] });
    expect(await everything()).toEqual(before);
  });

  test('brings up to date what it says otherwise, and leaves the rest', async () => {
    await applyConfig(database, config, sealer);
    const before = await view();
    const upstreams = [{ base_url: 'http://127.0.0.1:3/v1', model: 'tiny' }];
    await applyConfig(database, configOf({ models: [{ name: 'small', groups: ['few'], upstreams }] }), sealer);
    const after = await view();
    expect(after.models.get('small')).toMatchObject({ groups: ['few'], concurrency: 64, contextWindow: null });
    expect(after.models.get('small')?.upstreams).toMatchObject([{ baseUrl: 'http://127.0.0.1:3/v1', apiKey: null }]);
    expect([...after.tools.values()]).toEqual([...before.tools.values()]);
    expect(after.key(KEY, 0)).toEqual(before.key(KEY, 0));
  });

  test('leaves secrets that are the same as they are stored', async () => {
    await applyConfig(database, config, sealer);
    const before = await view();
    const [model] = written.models;
    await applyConfig(database, configOf({ ...written, models: [{ ...model, concurrency: 5 }] }), sealer);
    const after = await view();
    expect(after.models.get('small')?.concurrency).toBe(5);
    expect(after.models.get('small')?.upstreams).toEqual(before.models.get('small')?.upstreams);
  });

  test('does not undo what was changed or removed through the API since, until it says something new', async () => {
    await applyConfig(database, config, sealer);
    const [entry] = configOf({ models: [{ ...written.models[0], concurrency: 7 }] }).models;
    if (!entry) throw new Error('there is one');
    await applyChange(database, sealer, { do: 'put_model', entry: entry.entry });
    await applyChange(database, sealer, { do: 'remove', section: 'webhooks', name: 'billing' });
    expect(await applyConfig(database, config, sealer)).toMatchObject({ changed: false });
    expect((await view()).models.get('small')?.concurrency).toBe(7);
    expect(await storedWebhooks()).toEqual([]);
    const [model] = written.models;
    const [webhook] = written.webhooks;
    const newer = { models: [{ ...model, concurrency: 8 }], webhooks: [{ ...webhook, owners: ['bob'] }] };
    await applyConfig(database, configOf({ ...written, ...newer }), sealer);
    expect((await view()).models.get('small')?.concurrency).toBe(8);
    expect(await storedWebhooks()).toMatchObject([{ owners: ['bob'] }]);
  });

  test('applies anew what it had left out in between', async () => {
    await applyConfig(database, config, sealer);
    await applyConfig(database, configOf({ ...written, webhooks: [] }), sealer);
    await applyChange(database, sealer, { do: 'remove', section: 'webhooks', name: 'billing' });
    await applyConfig(database, config, sealer);
    expect(await storedWebhooks()).toHaveLength(1);
  });

  test('under another key seals every secret anew', async () => {
    await applyConfig(database, config, sealer);
    const other = new Sealer('another key altogether');
    await applyConfig(database, config, other);
    const seen = await view();
    expect(other.open(seen.models.get('small')?.upstreams[0]?.apiKey ?? '')).toBe('sk-upstream');
    expect(other.open((seen.tools.get('look') as RegisteredHttpTool).headers.authorization ?? '')).toBe(
      'Bearer secret',
    );
    expect(other.open((await storedWebhooks())[0]?.secret_sealed ?? '')).toBe(SECRET);
  });

  test('at once by several processes is applied once', async () => {
    const results = await Promise.all([1, 2, 3, 4].map(() => applyConfig(database, config, sealer)));
    expect(results.filter(({ changed }) => changed)).toHaveLength(1);
  });
});

describe('a secret that was taken out of force', () => {
  const changed = configOf({ ...written, keys: [{ name: 'alice', key: KEY, groups: ['staff'] }] });

  test('by revoking its key is not brought back', async () => {
    await applyConfig(database, config, sealer);
    await applyChange(database, sealer, { do: 'remove', section: 'keys', name: 'alice' });
    expect(await applyConfig(database, config, sealer)).toMatchObject({ changed: false });
    const { warnings } = await applyConfig(database, changed, sealer);
    expect(warnings).toEqual([expect.stringContaining("'alice'")]);
    expect((await view()).key(KEY, 0)).toBeUndefined();
  });

  test('by rotating its key is not brought back; the rest of what the file says is', async () => {
    await applyConfig(database, config, sealer);
    const hash = hashKey('tr-rotated-0123456789abcdef');
    await applyChange(database, sealer, { do: 'rotate_key', name: 'alice', hash, grace_ms: 0 });
    const { warnings } = await applyConfig(database, changed, sealer);
    expect(warnings).toHaveLength(1);
    expect((await view()).key(KEY, 0)).toBeUndefined();
    expect((await view()).key('tr-rotated-0123456789abcdef', 0)).toMatchObject({ groups: ['staff'] });
  });

  test('by the file itself may come back with the file', async () => {
    await applyConfig(database, config, sealer);
    await applyConfig(database, configOf({ keys: [{ name: 'alice', key: 'tr-other-0123456789abcdef' }] }), sealer);
    expect((await view()).key(KEY, 0)).toBeUndefined();
    await applyConfig(database, config, sealer);
    expect((await view()).key(KEY, 0)).toMatchObject({ name: 'alice' });
  });
});

describe('a file that is refused changes nothing', () => {
  test.each([
    ['an agent without its model', { tools: [{ name: 'a', kind: 'agent', model: 'none' }] }, "the model 'none'"],
    [
      'an agent without a tool',
      { ...written, tools: [{ name: 'a', kind: 'agent', model: 'small', tools: ['a', 'none'] }] },
      "the tool 'none'",
    ],
    ['two keys of one secret', { keys: [...written.keys, { name: 'bob', key: KEY }] }, 'another key'],
    [
      'a secret to be kept that is not there',
      { webhooks: [{ name: 'w', url: 'http://127.0.0.1', secret: '***' }] },
      "'secret'",
    ],
  ])('%s', async (_what, file, reason) => {
    const before = await everything();
    await expect(applyConfig(database, configOf(file), sealer)).rejects.toThrow(reason);
    expect(await everything()).toEqual(before);
  });
});

describe('pruning', () => {
  const prune = { prune: true };

  test('removes what a file has made and does not name any more, and nothing else', async () => {
    await applyConfig(database, config, sealer);
    const [own] = configOf({ webhooks: [{ ...written.webhooks[0], name: 'own' }] }).webhooks;
    if (!own) throw new Error('there is one');
    await applyChange(database, sealer, { do: 'put_webhook', entry: own.entry });
    expect(await applyConfig(database, config, sealer, prune)).toEqual({ changed: false, warnings: [] });
    const { changed } = await applyConfig(database, configOf({ groups: written.groups }), sealer, prune);
    expect(changed).toBe(true);
    const { snapshot } = await readRegistry(database);
    expect(snapshot).toEqual({ keys: [], groups: [expect.objectContaining({ name: 'staff' })], models: [], tools: [] });
    expect((await storedWebhooks()).map(({ name }) => name)).toEqual(['own']);
  });

  test('leaves what agents need that the file has not made, and says so', async () => {
    await applyConfig(database, config, sealer);
    const [agent] = configOf({ tools: [{ name: 'own', kind: 'agent', model: 'small', tools: ['scout'] }] }).tools;
    if (!agent) throw new Error('there is one');
    await applyChange(database, sealer, { do: 'put_tool', entry: agent.entry });
    const { warnings } = await applyConfig(database, configOf({}), sealer, prune);
    const seen = await view();
    expect([...seen.tools.keys()].sort()).toEqual(['board', 'look', 'own', 'scout']);
    expect([...seen.models.keys()]).toEqual(['small']);
    expect(warnings.join('\n')).toMatch(/'scout' .* own need it/);
    expect(warnings).toHaveLength(4);
  });
});

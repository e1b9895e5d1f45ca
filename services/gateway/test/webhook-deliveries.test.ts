import { connectDatabase, type Database, migrate } from '@tailrace/database';
import { ApiError, hexOf, newId, publicResponseId } from '@tailrace/protocol';
import { RegistryView, type RegistryWatch } from '@tailrace/registry';
import { registeredKey, registrySnapshot } from '@tailrace/registry/fixtures';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { makeDatabase } from '../../../test/harness/database.ts';
import { type DeliveryList, deliveryList, handleDeliveries } from '../src/webhook-deliveries.ts';

const view = new RegistryView(
  registrySnapshot({ keys: ['alice', 'bob'].map((name) => registeredKey(name, `tr-${name}`, { groups: [] })) }),
);
const registry: RegistryWatch = { current: () => view, onChange: () => undefined, close: () => undefined };
const RESPONSES = ['0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b', '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6c'] as const;
const DELIVERIES = Array.from({ length: 5 }, (_, index) => newId(1_000 * (index + 1)));
const IDS = DELIVERIES.map((id) => `evt_${hexOf(id)}`);

let database: Database;
let app: FastifyInstance;
beforeAll(async () => {
  const url = await makeDatabase(inject('postgresUrl'));
  await migrate(url);
  database = connectDatabase({
    url,
    name: 'test',
    connections: 2,
    timeoutMs: 10_000,
    prepare: true,
    onError: () => undefined,
  });
  const row = {
    response_id: RESPONSES[0],
    owner: 'alice',
    webhook: 'billing',
    event_type: 'response.completed',
    state: 'delivered' as const,
    attempts: 1,
    next_attempt_at: new Date(31_000),
    last_status: 200,
    last_error: null,
    created_at: new Date(1_000),
    ended_at: new Date(9_900),
  };
  const [first = '', second = '', third = '', fourth = '', fifth = ''] = DELIVERIES;
  const failing = { state: 'pending' as const, attempts: 3, last_status: 500, last_error: 'it broke', ended_at: null };
  await database
    .insertInto('webhook_deliveries')
    .values([
      { ...row, id: first },
      { ...row, id: second, ...failing },
      { ...row, id: third, owner: 'bob' },
      { ...row, id: fourth, response_id: RESPONSES[1], event_type: 'response.cancelled' },
      { ...row, id: fifth },
    ])
    .execute();
  app = Fastify();
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof ApiError)) throw error;
    return reply.code(error.status).send({ code: error.code, param: error.param });
  });
  app.get('/', (request) => handleDeliveries({ database, registry }, request));
});
afterAll(async () => {
  await app.close();
  await database.destroy();
});

async function ask(query: string, key = 'tr-alice') {
  const { statusCode, body } = await app.inject({ url: `/${query}`, headers: { authorization: `Bearer ${key}` } });
  return { status: statusCode, body: JSON.parse(body) as unknown };
}

async function list(query: string, key?: string): Promise<DeliveryList> {
  const { status, body } = await ask(query, key);
  expect(status).toBe(200);
  return deliveryList.parse(body);
}

async function idsOf(query: string, key?: string): Promise<string[]> {
  return (await list(query, key)).data.map(({ id }) => id);
}

describe('the deliveries', () => {
  test('of an owner, the newest first', async () => {
    expect(await list('')).toEqual({
      object: 'list',
      data: [
        expect.objectContaining({ id: IDS[4] }),
        expect.objectContaining({
          id: IDS[3],
          type: 'response.cancelled',
          response_id: publicResponseId(RESPONSES[1]),
        }),
        {
          id: IDS[1],
          object: 'webhook.delivery',
          response_id: publicResponseId(RESPONSES[0]),
          webhook: 'billing',
          type: 'response.completed',
          state: 'pending',
          attempts: 3,
          last_status: 500,
          last_error: 'it broke',
          created_at: 1,
          next_attempt_at: 31,
          ended_at: null,
        },
        {
          id: IDS[0],
          object: 'webhook.delivery',
          response_id: publicResponseId(RESPONSES[0]),
          webhook: 'billing',
          type: 'response.completed',
          state: 'delivered',
          attempts: 1,
          last_status: 200,
          last_error: null,
          created_at: 1,
          next_attempt_at: null,
          ended_at: 9,
        },
      ],
      has_more: false,
      first_id: IDS[4],
      last_id: IDS[0],
    });
  });

  test('are seen by nobody else, however they are asked for', async () => {
    expect(await idsOf('', 'tr-bob')).toEqual([IDS[2]]);
    expect(await list(`?response_id=${publicResponseId(RESPONSES[1])}`, 'tr-bob')).toEqual({
      object: 'list',
      data: [],
      has_more: false,
      first_id: null,
      last_id: null,
    });
    expect(await idsOf(`?after=${IDS[4]}`, 'tr-bob')).toEqual([IDS[2]]);
    expect(await ask('', 'tr-mallory')).toMatchObject({ status: 401, body: { code: 'invalid_api_key' } });
  });

  test('of one response', async () => {
    expect(await idsOf(`?response_id=${publicResponseId(RESPONSES[0])}`)).toEqual([IDS[4], IDS[1], IDS[0]]);
    expect(await idsOf(`?response_id=${publicResponseId(DELIVERIES[0] ?? '')}`)).toEqual([]);
  });

  test('page by page', async () => {
    const first = await list('?limit=2');
    expect(first).toMatchObject({ has_more: true, first_id: IDS[4], last_id: IDS[3] });
    const second = await list(`?limit=2&after=${first.last_id}`);
    expect(second).toMatchObject({ has_more: false, first_id: IDS[1], last_id: IDS[0] });
    expect(await idsOf(`?after=${second.last_id}`)).toEqual([]);
  });

  test.each([
    ['?response_id=resp_1', 'response_id'],
    ['?limit=0', 'limit'],
    ['?limit=101', 'limit'],
    ['?limit=x', 'limit'],
    ['?after=resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b', 'after'],
  ])('with %s are refused', async (query, param) => {
    expect(await ask(query)).toEqual({ status: 400, body: { code: 'invalid_value', param } });
  });

  test('with an unknown parameter are refused', async () => {
    expect(await ask('?order=asc')).toEqual({ status: 400, body: { code: 'unknown_parameter', param: 'order' } });
  });
});

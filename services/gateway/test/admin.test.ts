/** The admin API at its edge: who gets in, what is refused before anybody is asked, and its reference. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { ERRORS } from '@tailrace/protocol';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterAll, describe, expect, test } from 'vitest';
import { adminDocument } from '../src/admin/document.ts';
import { ADMIN_OPERATIONS } from '../src/admin/operations.ts';
import { gatewayApp, KEY } from './gateway-app.ts';

const ADMIN_KEY = 'tr-admin-0123456789abcdef';
const { app } = gatewayApp({ admin: { key: ADMIN_KEY, timeoutMs: 1_000 } });
const closed = gatewayApp().app;
afterAll(() => Promise.all([app.close(), closed.close()]));

const concrete = (path: string) => path.replace(/\{\w+\}/g, 'x');
const ask = (method: string, url: string, options: InjectOptions = {}, of: FastifyInstance = app) =>
  of.inject({
    method: method.toUpperCase() as 'GET',
    url,
    headers: { authorization: `Bearer ${ADMIN_KEY}` },
    ...options,
  });

describe('who gets in', () => {
  test.each([
    ['nobody', {}, 'missing_api_key'],
    ['a client', { authorization: `Bearer ${KEY}` }, 'invalid_api_key'],
    ['a part of the key', { authorization: `Bearer ${ADMIN_KEY.slice(0, -1)}` }, 'invalid_api_key'],
    ['the key and more', { authorization: `Bearer ${ADMIN_KEY}x` }, 'invalid_api_key'],
    ['another scheme', { authorization: `Basic ${ADMIN_KEY}` }, 'missing_api_key'],
  ])('not %s, at any of the operations', async (_who, headers, code) => {
    for (const { method, path } of ADMIN_OPERATIONS) {
      const answer = await ask(method, concrete(path), { headers });
      expect({ path, status: answer.statusCode, body: answer.json() }).toMatchObject({
        status: 401,
        body: { error: { code } },
      });
    }
  });

  test('not the operator, to what clients do', async () => {
    expect((await ask('get', '/v1/models')).statusCode).toBe(401);
  });

  test('nobody at all where there is no key of an operator', async () => {
    for (const { method, path } of ADMIN_OPERATIONS) {
      const answer = await ask(method, concrete(path), {}, closed);
      expect(answer.json()).toMatchObject({ error: { code: 'route_not_found' } });
    }
    expect((await ask('get', '/admin/v1/openapi.json', {}, closed)).statusCode).toBe(404);
  });
});

describe('what is refused before anybody is asked', () => {
  test.each([
    ['put', '/admin/v1/models/m', { upstreams: [] }, 'upstreams'],
    ['put', '/admin/v1/models/m', { upstreams: [{ base_url: 'http://h', model: 'x' }], colour: 1 }, 'colour'],
    ['put', '/admin/v1/models/a%20b', { upstreams: [{ base_url: 'http://h', model: 'x' }] }, 'name'],
    ['put', '/admin/v1/models/m', { name: 'n', upstreams: [{ base_url: 'http://h', model: 'x' }] }, 'name'],
    ['put', '/admin/v1/models/m', { upstreams: [{ base_url: 'http://u:p@h', model: 'x' }] }, 'upstreams[0].base_url'],
    ['put', '/admin/v1/tools/t', { kind: 'soap' }, 'kind'],
    ['put', '/admin/v1/tools/t', { kind: 'http' }, 'url'],
    ['put', '/admin/v1/tools/t', { kind: 'http', url: 'http://h', headers: { a: 'x\ny' } }, 'headers.a'],
    ['put', '/admin/v1/keys/k', { key: 'short' }, 'key'],
    ['put', '/admin/v1/keys/k', { expires_at: 'soon' }, 'expires_at'],
    ['put', '/admin/v1/groups/g', { limits: { concurrency: 0 } }, 'limits.concurrency'],
    ['put', '/admin/v1/webhooks/w', { url: 'http://h', secret: 'hush' }, 'secret'],
    ['post', '/admin/v1/keys', {}, 'name'],
    ['post', '/admin/v1/keys', { name: 'k', key: 'tr-own-0123456789abcdef' }, 'key'],
    ['post', '/admin/v1/keys/k/rotate', { grace_seconds: -1 }, 'grace_seconds'],
    ['get', '/admin/v1/keys?limit=0', undefined, 'limit'],
    ['get', '/admin/v1/keys?colour=red', undefined, 'colour'],
  ])('%s %s %j', async (method, url, payload, param) => {
    const answer = await ask(method, url, payload === undefined ? {} : { payload });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ error: { type: 'invalid_request_error', param } });
    // What was wrong may have been a secret.
    for (const secret of ['hush', 'short', 'u:p']) expect(answer.body).not.toContain(secret);
  });

  test('a body that is too large, by the limit of these bodies', async () => {
    const payload = { kind: 'http', url: 'http://h', description: 'x'.repeat(600_000) };
    const answer = await ask('put', '/admin/v1/tools/t', { payload });
    expect(answer.statusCode).toBe(413);
    expect(answer.json().error.message).toContain(String(512 * 1024));
  });

  test('a method that the path does not take', async () => {
    const answer = await ask('patch', '/admin/v1/keys/k');
    expect(answer.statusCode).toBe(405);
    expect(answer.headers.allow).toBe('DELETE, GET, HEAD, PUT');
  });
});

test('no answer is kept by anybody in between', async () => {
  expect((await ask('put', '/admin/v1/tools/t', { payload: {} })).headers['cache-control']).toBe('no-store');
});

describe('the reference', () => {
  const document = adminDocument('1.2.3', ADMIN_OPERATIONS) as {
    paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
    components: { schemas: Record<string, Record<string, unknown>> };
  };

  test('is valid OpenAPI, and is served to anybody', async () => {
    expect(await new Validator().validate(structuredClone(document))).toEqual({ valid: true });
    const answer = await app.inject('/admin/v1/openapi.json');
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(answer.json().paths).toEqual(document.paths);
  });

  test('refers to nothing that is not in it, and names no operation twice', () => {
    const referred = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]*)"/g)].map(
      ([, name]) => name,
    );
    expect(referred.length).toBeGreaterThan(50);
    expect(referred.filter((name) => !Object.hasOwn(document.components.schemas, name ?? ''))).toEqual([]);
    const ids = ADMIN_OPERATIONS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('says what is checked: bounds, defaults, unknown fields', () => {
    const { ModelEntry, NewKeyBody } = document.components.schemas;
    expect(ModelEntry).toMatchObject({
      additionalProperties: false,
      required: ['name', 'upstreams'],
      properties: { concurrency: { type: 'integer', minimum: 1, default: 64 } },
    });
    expect(NewKeyBody).toMatchObject({ required: ['name'] });
    expect(document.paths['/admin/v1/keys/{name}/rotate']?.post?.responses).toHaveProperty('404');
    expect(Object.keys(ERRORS)).toContain('entry_in_use');
  });
});

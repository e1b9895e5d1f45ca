import { Validator } from '@seriousme/openapi-schema-validator';
import { ERRORS, EVENT_SCHEMAS } from '@tailrace/protocol';
import { afterAll, describe, expect, test } from 'vitest';
import { type OpenApiDocument, openApiDocument } from '../src/reference/document.ts';
import { OPERATIONS } from '../src/reference/operations.ts';
import { gatewayApp } from './gateway-app.ts';

const { app } = gatewayApp();
afterAll(() => app.close());

describe('the document', () => {
  const document = openApiDocument('1.2.3');

  test('is valid OpenAPI', async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
    expect(document.openapi).toBe('3.1.0');
    expect(document.info.version).toBe('1.2.3');
  });

  test('has every route of the API, and nothing else', async () => {
    await app.ready();
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const registered = routesOf(app.printRoutes()).filter((route) => route.includes(' /v1/'));
    expect(registered.length).toBeGreaterThan(15);
    expect(registered.toSorted()).toEqual(documented.toSorted());
  });

  test('refers to nothing that is not in it', () => {
    const names = new Set(Object.keys(document.components.schemas));
    const referred = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]*)"/g)].map(
      ([, name]) => name,
    );
    expect(referred.length).toBeGreaterThan(50);
    expect(referred.filter((name) => !names.has(name ?? ''))).toEqual([]);
    expect(JSON.stringify(document)).not.toMatch(/"\$ref":"(?!#\/components\/schemas\/)/);
  });

  test('names no operation and no parameter twice', () => {
    const ids = OPERATIONS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('has every event and every error code', () => {
    const { StreamEvent, Error: error } = document.components.schemas;
    const mapping = (StreamEvent as { discriminator: { mapping: Record<string, string> } }).discriminator.mapping;
    expect(Object.keys(mapping).sort()).toEqual(Object.keys(EVENT_SCHEMAS).sort());
    expect(error).toMatchObject({
      properties: { error: { properties: { code: { enum: Object.keys(ERRORS) } } } },
    });
    for (const code of Object.keys(ERRORS)) expect(document.info.description).toContain(`\`${code}\``);
  });

  test('says what is checked: the bounds of a body, unknown fields, defaults of a query', () => {
    const { CreateResponseBody } = document.components.schemas;
    expect(CreateResponseBody).toMatchObject({
      additionalProperties: false,
      required: ['model'],
      properties: { temperature: { anyOf: [{ minimum: 0, maximum: 2 }, { type: 'null' }] } },
    });
    const list = document.paths['/v1/responses/{id}/input_items']?.get as { parameters: unknown[] };
    expect(list.parameters).toContainEqual({
      name: 'limit',
      in: 'query',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
    });
  });
});

describe('what is served', () => {
  test('the document, to anybody', async () => {
    const answer = await app.inject('/openapi.json');
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    const served = answer.json<OpenApiDocument>();
    expect(served).toEqual(openApiDocument(served.info.version));
  });

  test('a page with everything that it loads, from this server alone', async () => {
    const seen = new Set<string>();
    const load = async (url: string): Promise<string> => {
      seen.add(url);
      const answer = await app.inject(url);
      expect({ url, status: answer.statusCode }).toEqual({ url, status: 200 });
      expect(answer.headers['content-security-policy']).toMatch(/^default-src 'self';/);
      return answer.body;
    };
    const page = await load('/docs');
    const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '');
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) {
      const { origin, pathname } = new URL(link, 'http://gateway/docs');
      expect(origin).toBe('http://gateway');
      const body = await load(pathname);
      if (pathname.endsWith('swagger-initializer.js')) expect(body).toContain("resolveUrl('./json')");
    }
    expect([...seen]).toContain('/docs/static/swagger-ui-bundle.js');
    expect(JSON.parse(await load('/docs/json'))).toEqual((await app.inject('/openapi.json')).json());
  });
});

/** The routes of a server as `POST /v1/responses/{id}/cancel`, from the tree that it prints; without HEAD. */
function routesOf(tree: string): string[] {
  const open: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent, part, methods] = /^(.*)[├└]── (\S*)(?: \((.*)\))?$/.exec(line) ?? [];
    if (indent === undefined || part === undefined) return [];
    open.splice(indent.length / 4);
    open.push(part);
    const path = open
      .join('')
      .replace(/:(\w+)/g, '{$1}')
      .replace('*', '{id}');
    return (methods?.split(', ') ?? []).filter((method) => method !== 'HEAD').map((method) => `${method} ${path}`);
  });
}

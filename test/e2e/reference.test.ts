/** The reference, as it is served; and that what is served is as the reference says. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';

let stack: TestStack;
let url: string;

beforeAll(async () => {
  stack = await testStack();
  url = stack.gateways[0] ?? '';
});
afterAll(() => stack.stop());

interface Document {
  openapi: string;
  paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
}

describe('what is served without a key', () => {
  test('the document', async () => {
    const answer = await stack.validatingFetch(`${url}/openapi.json`);
    expect(answer.status).toBe(200);
    const document = (await answer.json()) as Document;
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toContain('/v1/responses/{id}/cancel');
  });

  test('the page, and what it loads', async () => {
    const page = await stack.validatingFetch(`${url}/docs`);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    const links = [...(await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '');
    for (const link of [...links, './docs/json']) {
      const answer = await stack.validatingFetch(new URL(link, `${url}/docs`));
      expect({ link, status: answer.status }).toEqual({ link, status: 200 });
    }
  });
});

test('every answer has a status that the document knows', async () => {
  const document = (await (await stack.validatingFetch(`${url}/openapi.json`)).json()) as Document;
  const { id } = await stack.openai().responses.create({ model: 'demo', input: script('!say Hi.').text });
  const conversation = await stack.openai().conversations.create({ items: [{ role: 'user', content: 'Hi' }] });
  const item = (await stack.openai().conversations.items.list(conversation.id)).data[0];
  const params = { id, item_id: item?.id ?? '' };
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      const known = path.startsWith('/v1/conversations') ? { ...params, id: conversation.id } : params;
      const model = path.startsWith('/v1/models') ? { ...known, id: 'demo' } : known;
      // What deletes comes last of all: here it finds nothing.
      const filled = method === 'delete' ? { id: 'nothing', item_id: 'nothing' } : model;
      const target = path.replace(/\{(\w+)\}/g, (_, name: keyof typeof filled) => filled[name]);
      const body = method === 'post' ? { body: JSON.stringify(bodyFor(path)) } : {};
      const answer = await stack.fetch(target, { method: method.toUpperCase(), ...body });
      const text = await answer.text();
      expect({ path, method, known: Object.keys(responses), text }).toMatchObject({
        known: expect.arrayContaining([String(answer.status)]),
      });
      expect(method === 'delete' || path === '/v1/responses' || answer.ok, `${method} ${path}: ${text}`).toBe(true);
    }
  }
});

function bodyFor(path: string): unknown {
  if (path.endsWith('/items')) return { items: [{ role: 'user', content: 'More.' }] };
  if (path === '/v1/conversations/{id}') return { metadata: {} };
  if (path === '/v1/conversations' || path.endsWith('/cancel')) return {};
  if (path === '/v1/chat/completions') return { model: 'demo', messages: [{ role: 'user', content: 'Hi' }] };
  return { model: 'demo', input: 'Hi' };
}

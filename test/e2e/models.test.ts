/** `GET /v1/models`: what a key may use, as the official client sees it. */
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestStack, testStack } from '../harness/stack.ts';

const STAFF_KEY = 'sk-staff-0123456789abcdef';

let stack: TestStack;
let client: OpenAI;
let staff: OpenAI;

beforeAll(async () => {
  const upstreams = [{ base_url: 'http://127.0.0.1:9/v1', model: 'none' }];
  stack = await testStack({
    config: {
      keys: [{ name: 'staff', key: STAFF_KEY, groups: ['staff'] }],
      models: [
        { name: 'maker/large:2.1', groups: ['everyone', 'staff'], upstreams },
        { name: 'inner', groups: ['staff'], upstreams },
      ],
    },
  });
  client = stack.openai();
  staff = new OpenAI({ baseURL: `${stack.gateways[0]}/v1`, apiKey: STAFF_KEY, maxRetries: 0 });
});
afterAll(() => stack.stop());

async function names(by: OpenAI): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of by.models.list()) found.push(id);
  return found;
}

test('the models of the groups of a key, by their names', async () => {
  expect(await names(client)).toEqual(['demo', 'maker/large:2.1']);
  expect(await names(staff)).toEqual(['inner', 'maker/large:2.1']);
});

test('one of them, whose name may hold slashes', async () => {
  const model = { id: 'maker/large:2.1', object: 'model', created: 0, owned_by: 'tailrace' };
  expect(await client.models.retrieve('maker/large:2.1')).toEqual(model);
  expect(await (await stack.fetch('/v1/models/maker/large:2.1')).json()).toEqual(model);
});

test('one that the key may not use is not there, as one that there is not', async () => {
  for (const name of ['inner', 'none', 'maker/large']) {
    const refused = client.models.retrieve(name);
    await expect(refused).rejects.toThrow(OpenAI.NotFoundError);
    await expect(refused).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
  }
});

/** Which tools a request may use is decided once: what changes afterwards changes nothing for it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { type Recorder, startRecorder } from './recorder.ts';

const KEYS = { staff: 'sk-staff-0123456789abcdef', guest: 'sk-guest-0123456789abcdef' };

let stack: TestStack;
let recorder: Recorder;

beforeAll(async () => {
  recorder = await startRecorder();
  const upstreams = [{ base_url: `${recorder.url}/v1`, model: 'upstream-name' }];
  const tool = { kind: 'http', url: `${recorder.url}/tools/echo`, models: ['one'], groups: ['staff'] };
  stack = await testStack({
    config: {
      keys: [
        { name: 'staff', key: KEYS.staff, groups: ['everyone', 'staff'] },
        { name: 'guest', key: KEYS.guest, groups: ['everyone'] },
      ],
      models: ['one', 'two'].map((name) => ({ name, upstreams })),
      tools: [
        { ...tool, name: 'for_staff' },
        { ...tool, name: 'for_all', groups: ['everyone'] },
        { ...tool, name: 'for_two', groups: ['everyone'], models: ['two'] },
        { ...tool, name: 'anywhere', groups: ['everyone'], models: undefined },
        { ...tool, name: 'yielding', groups: ['everyone'], client_override: true },
        { name: 'helper', kind: 'agent', model: 'two', models: ['one'], tools: ['for_staff', 'for_two', 'anywhere'] },
      ],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
});

const as = (key: string) => stack.openai(0, { apiKey: key });
const call = (tool: string, args: Record<string, unknown>) => `!call ${tool} ${JSON.stringify(args)}`;

/** The names of the tools that the model was offered, call by call. */
function offered(marker: string): string[][] {
  return recorder.chats(marker).map((chat) => (chat.tools ?? []).map((tool) => tool.function.name));
}

describe('a request is offered the tools of its key and of its model', () => {
  test.each([
    ['staff', 'one', ['anywhere', 'for_all', 'for_staff', 'helper', 'yielding']],
    ['guest', 'one', ['anywhere', 'for_all', 'helper', 'yielding']],
    ['guest', 'two', ['anywhere', 'for_two']],
  ] as const)('%s, %s', async (who, model, names) => {
    const { text, marker } = script('!say Hi.');
    await as(KEYS[who]).responses.create({ model, input: text });
    expect(offered(marker).map((each) => each.sort())).toEqual([names]);
  });

  test('and so are its agents, with the model that they have', async () => {
    const inner = script('!say Inside.');
    const { text } = script(call('helper', { input: inner.text }), '!turn', '!say Done.');
    const response = await as(KEYS.staff).responses.create({ model: 'one', input: text });
    expect(response.output_text).toBe('Done.');
    const inside = recorder
      .chats(inner.marker)
      .find((chat) => chat.tools?.some((tool) => tool.function.name === 'for_two'));
    // `for_staff` is for the model `one` alone.
    expect(inside?.tools?.map((tool) => tool.function.name).sort()).toEqual(['anywhere', 'for_two']);
  });

  test('a name that the server has is refused, unless the operator leaves it to clients', async () => {
    const fn = (name: string) => ({ type: 'function' as const, name, parameters: null, strict: null });
    const refused = as(KEYS.guest).responses.create({ model: 'one', input: 'Hi', tools: [fn('for_all')] });
    await expect(refused).rejects.toMatchObject({ status: 400, code: 'tool_name_taken', param: 'tools[0].name' });
    const { text } = script(call('yielding', { a: 1 }));
    const taken = await as(KEYS.guest).responses.create({ model: 'one', input: text, tools: [fn('yielding')] });
    expect(taken.output).toMatchObject([{ type: 'function_call', name: 'yielding' }]);
  });
});

test('a response that runs keeps the tools that it was given, when others get others', async () => {
  const admin = async (path: string, method: string, body?: unknown) => {
    const answer = await stack.fetch(`/admin/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${stack.adminKey}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect(answer.status).toBeLessThan(300);
    return answer.json() as Promise<Record<string, unknown>>;
  };
  const [slow, later] = [randomUUID(), randomUUID()];
  const { text, marker } = script(
    call('for_all', { q: slow, _ms: 1_500 }),
    '!turn',
    call('for_all', { q: later }),
    '!turn',
    '!say Done.',
  );
  const client = as(KEYS.guest);
  const running = client.responses.create({ model: 'one', input: text });
  await eventually('its first tool is called', async () => recorder.requests('/tools/echo', slow).length === 1);
  const { name: _name, ...entry } = await admin('tools/for_all', 'GET');
  await admin('tools/for_all', 'PUT', { ...entry, groups: ['staff'] });
  const other = script('!say Hi.');
  await client.responses.create({ model: 'one', input: other.text });
  expect(offered(other.marker)[0]).not.toContain('for_all');
  expect((await running).output_text).toBe('Done.');
  expect(recorder.requests('/tools/echo', later)).toHaveLength(1);
  expect(offered(marker).every((names) => names.includes('for_all'))).toBe(true);
});

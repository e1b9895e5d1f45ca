/** The validation of what clients are sent, with faults planted into it. */
import { readFileSync } from 'node:fs';
import type { ResponseEvent, ResponseResource } from '@tailrace/protocol';
import { describe, expect, test } from 'vitest';
import { specification } from './specification.ts';
import { validatingFetch } from './validating-fetch.ts';
import type { Judge, Violation } from './violations.ts';
import { WireChecks } from './wire-checks.ts';
import {
  changed,
  DONE,
  frameOf,
  GOOD,
  ID,
  type Loose,
  message,
  ownDocument,
  responseOf,
  streamOf,
} from './wire-samples.ts';

const { OPENRESPONSES_SPEC: path } = process.env;
const documents: [string, object][] = [['schemas of the project', ownDocument()]];
if (path) documents.push(['the specification document', JSON.parse(readFileSync(path, 'utf8'))]);

interface Sent {
  body: string;
  status?: number;
  contentType?: string;
  method?: string;
  path?: string;
  headers?: Record<string, string>;
}

/** What is found in an answer that a client has read to its end. */
async function judge(document: object, sent: Sent): Promise<{ found: readonly Violation[]; read: string }> {
  const { body, status = 200, contentType = 'text/event-stream; charset=utf-8', method = 'POST' } = sent;
  const checks = new WireChecks(specification(document));
  const { fetch, settled } = validatingFetch(
    async () => new Response(body, { status, headers: { 'content-type': contentType } }),
    checks,
  );
  const url = `http://127.0.0.1${sent.path ?? '/v1/responses'}`;
  const read = await (await fetch(url, { method, headers: sent.headers ?? {} })).text();
  await settled();
  return { found: checks.violations.list, read };
}

/** A stream in which a server was asked, and an agent was at work. */
function beyond(events: readonly ResponseEvent[]): object[] {
  const at = { item_id: 'mcp_1', output_index: 1 };
  const place = { step_id: 'step_2', parent_step_id: 'step_1', agent: 'a', depth: 1 };
  const added = [
    { type: 'response.output_item.added', output_index: 1, item: { ...mcpCall, status: 'in_progress', arguments: '' } },
    { type: 'response.mcp_call.in_progress', ...at },
    { type: 'response.mcp_call_arguments.delta', ...at, delta: '{}' },
    { type: 'response.mcp_call_arguments.done', ...at, arguments: '{}' },
    { type: 'tailrace.progress', ...place, event: { type: 'response.mcp_call.completed', ...at } },
    { type: 'response.mcp_call.completed', ...at },
    { type: 'response.output_item.done', output_index: 1, item: mcpCall },
  ];
  const all = [...events.slice(0, -1), ...added, { type: 'response.completed', response: ended }];
  return all.map((event, sequence_number) => ({ ...event, sequence_number }));
}

const mcpCall = {
  type: 'mcp_call' as const,
  id: 'mcp_1',
  status: 'completed' as const,
  server_label: 's',
  name: 't',
  arguments: '{}',
  output: 'x',
  error: null,
  approval_request_id: null,
};
const ended: ResponseResource = {
  ...responseOf('completed', [message('Hi', 'completed'), mcpCall]),
  tools: [
    {
      type: 'mcp',
      server_label: 's',
      server_description: null,
      server_url: null,
      headers: null,
      allowed_tools: null,
      require_approval: 'never',
    },
  ],
  tool_choice: { type: 'mcp', server_label: 's' },
};

const judgesIn = (found: readonly Violation[]): Judge[] => [...new Set(found.map(({ by }) => by))].sort();
const both: Judge[] = ['schemas', 'specification'];

describe.each(documents)('with %s as the document', (_, document) => {
  test('a good stream passes, and its client reads the same bytes', async () => {
    const body = `: a comment\n\n${streamOf(GOOD)}`;
    expect(await judge(document, { body })).toEqual({ found: [], read: body });
  });

  test('so does the rest of a stream', async () => {
    const body = streamOf(GOOD.slice(5));
    const ways: Partial<Sent>[] = [
      { path: `/v1/responses/${ID}?stream=true&starting_after=4` },
      { path: `/v1/responses/${ID}?stream=true`, headers: { 'last-event-id': '4' } },
    ];
    for (const way of ways) expect((await judge(document, { body, method: 'GET', ...way })).found).toEqual([]);
    expect((await judge(document, { body: DONE, method: 'GET', ...ways[0] })).found).toEqual([]);
  });

  const wrongValues: [string, string][] = [
    ['a missing field', changed(4, { delta: undefined })],
    ['a field of another type', changed(4, { output_index: '0' })],
    ['a missing field of the response', changed(8, { response: { ...responseOf('completed'), tools: undefined } })],
    ['a wrong value of an enumeration', changed(8, { response: { ...responseOf('completed'), truncation: 'maybe' } })],
    ['an item of an unknown type', changed(7, { item: { type: 'thought', id: 'th_1', status: 'completed' } })],
    ['a status that no item has', changed(7, { item: { ...message('Hi', 'completed'), status: 'done' } })],
    ['an event that there is not', changed(5, { type: 'response.text.done' })],
    ['an event without its number', changed(4, { sequence_number: undefined })],
  ];
  test.each(wrongValues)('%s is caught by each of the two validations', async (_, body) => {
    expect(judgesIn((await judge(document, { body })).found)).toEqual(expect.arrayContaining(both));
  });

  const answers: [string, Sent][] = [
    ['a response', { body: JSON.stringify({ ...responseOf('completed'), usage: {} }) }],
    [
      'a response that is retrieved',
      {
        body: JSON.stringify({ ...responseOf('completed'), object: 'reply' }),
        method: 'GET',
        path: `/v1/responses/${ID}`,
      },
    ],
    [
      'a compaction',
      {
        body: JSON.stringify({ id: 'resp_1', object: 'response.compaction', output: [] }),
        path: '/v1/responses/compact',
      },
    ],
    [
      'a list of items',
      {
        body: JSON.stringify({ object: 'list', data: [{ type: 'message', id: 'msg_1' }], first_id: 'msg_1' }),
        method: 'GET',
        path: `/v1/responses/${ID}/input_items?limit=1`,
      },
    ],
    ['an error', { status: 400, body: JSON.stringify({ error: { message: 'No.' } }) }],
  ];
  test.each(answers)('%s that is not right is caught by each of the two validations', async (_, sent) => {
    const { found } = await judge(document, { contentType: 'application/json', ...sent });
    expect(judgesIn(found)).toEqual(both);
  });

  test('what comes of MCP servers and agents passes beside the document', async () => {
    expect(await judge(document, { body: streamOf(beyond(GOOD)) })).toMatchObject({ found: [] });
    const json = { contentType: 'application/json', method: 'GET', path: `/v1/responses/${ID}` };
    expect(await judge(document, { ...json, body: JSON.stringify(ended) })).toMatchObject({ found: [] });
    const page = { object: 'list', data: [mcpCall], first_id: 'mcp_1', last_id: 'mcp_1', has_more: false };
    const listed = { ...json, body: JSON.stringify(page), path: `/v1/responses/${ID}/input_items` };
    expect(await judge(document, listed)).toMatchObject({ found: [] });
  });

  test('and around it the document judges as ever', async () => {
    const json = { contentType: 'application/json', method: 'GET', path: `/v1/responses/${ID}` };
    const worse = [
      { ...ended, truncation: 'maybe' },
      { ...ended, output: [...ended.output, { type: 'thought', id: 'th_1' }] },
      { ...ended, tools: [...ended.tools, { type: 'function', name: 5 }] },
    ];
    for (const body of worse) {
      expect(judgesIn((await judge(document, { ...json, body: JSON.stringify(body) })).found)).toEqual(both);
    }
    const wrong = { ...ended, output: ended.output.map((item) => ({ ...item, server_label: 5 })) };
    expect(judgesIn((await judge(document, { ...json, body: JSON.stringify(wrong) })).found)).toContain('schemas');
  });

  test('an error over a WebSocket', () => {
    const checks = new WireChecks(specification(document));
    const error = { type: 'invalid_request_error', code: 'invalid_value', message: 'No.', param: null };
    checks.socketMessage(JSON.stringify({ type: 'error', status: 400, error }));
    checks.socketMessage(JSON.stringify(GOOD[0]));
    expect(checks.violations.list).toEqual([]);
    checks.socketMessage(JSON.stringify({ type: 'error', status: 'bad', error }));
    expect(judgesIn(checks.violations.list)).toEqual(both);
  });
});

const document = ownDocument();

describe('the order of a stream', () => {
  const at = (index: number) => GOOD[index] ?? GOOD[0];
  const failed = { type: 'response.failed', sequence_number: 2, response: responseOf('failed') };
  const error = {
    type: 'error',
    sequence_number: 2,
    error: { type: 'model_error', code: 'upstream_error', message: 'No.', param: null },
  };
  const begun = GOOD.slice(0, 2);
  const wrong: [string, string][] = [
    ['an event twice', streamOf([...begun, at(1), ...GOOD.slice(2)] as object[])],
    ['an event left out', streamOf(GOOD.filter((_, index) => index !== 4))],
    ['two events in the wrong order', streamOf([...begun, at(3), at(2), ...GOOD.slice(4)] as object[])],
    ['an event after the last one', streamOf([...GOOD, { ...at(8), sequence_number: 9 }])],
    ['an id that is not the number', streamOf(GOOD).replace('id: 4\n', 'id: 5\n')],
    ['no id', streamOf(GOOD).replace('id: 4\n', '')],
    ['a name that is not the type', streamOf(GOOD).replace('event: response.completed', 'event: response.done')],
    ['no [DONE]', streamOf(GOOD).replace(DONE, '')],
    ['[DONE] before the end', streamOf(GOOD.slice(0, 8))],
    ['something after [DONE]', `${streamOf(GOOD)}${frameOf(at(8) as unknown as Loose)}`],
    ['half a frame', `${streamOf(GOOD)}event: resp`],
    ['CRLF', streamOf(GOOD).replaceAll('\n', '\r\n')],
    ['a failed response without its error', streamOf([...begun, failed])],
    ['an error without its failed response', streamOf([...begun, error, { ...at(8), sequence_number: 3 }])],
    ['deltas that say something else', changed(4, { delta: 'Ho' })],
    [
      'a response that has not come of the events',
      changed(8, { response: responseOf('completed', [message('Ho', 'completed')]) }),
    ],
  ];
  test.each(wrong)('%s is caught', async (_, body) => {
    expect(judgesIn((await judge(document, { body })).found)).toContain('stream');
  });

  test('an error and then the failed response pass', async () => {
    const body = streamOf([...begun, error, { ...failed, sequence_number: 3 }]);
    expect((await judge(document, { body })).found).toEqual([]);
  });

  test('a stream that its client leaves is judged as far as it came', async () => {
    const checks = new WireChecks(undefined);
    const { fetch } = validatingFetch(
      async () => new Response(streamOf(GOOD), { headers: { 'content-type': 'text/event-stream' } }),
      checks,
    );
    const response = await fetch('http://127.0.0.1/v1/responses', { method: 'POST' });
    await response.body?.cancel();
    expect(checks.violations.list).toEqual([]);
  });

  test('numbers may jump where logs have been lost', async () => {
    const checks = new WireChecks(undefined);
    checks.allowLostLogs();
    const tap = checks.tap(
      { method: 'GET', url: new URL(`http://127.0.0.1/v1/responses/${ID}`), header: () => null },
      { status: 200, headers: new Headers({ 'content-type': 'text/event-stream' }) },
    );
    tap.chunk(
      Buffer.from(
        streamOf([
          at(0),
          at(1),
          at(2),
          { ...at(7), sequence_number: 20 },
          { ...at(8), sequence_number: 30 },
        ] as object[]),
      ),
    );
    tap.end();
    expect(checks.violations.list).toEqual([]);
  });
});

describe('events under the names of OpenAI', () => {
  const reasoning = (name: string) => {
    const item = (status: 'in_progress' | 'completed') => {
      return { type: 'reasoning' as const, id: 'rs_1', status, summary: [], content: [] };
    };
    const inPart = { item_id: 'rs_1', output_index: 0, content_index: 0 };
    const text = { type: 'reasoning_text', text: 'Hm' };
    const whole = { ...item('completed'), content: [{ type: 'reasoning_text' as const, text: 'Hm' }] };
    const events = [
      ...GOOD.slice(0, 2),
      { type: 'response.output_item.added', output_index: 0, item: item('in_progress') },
      { type: 'response.content_part.added', ...inPart, part: { ...text, text: '' } },
      { type: `response.${name}.delta`, ...inPart, delta: 'Hm' },
      { type: `response.${name}.done`, ...inPart, text: 'Hm' },
      { type: 'response.content_part.done', ...inPart, part: text },
      { type: 'response.output_item.done', output_index: 0, item: whole },
      { type: 'response.completed', response: responseOf('completed', [whole]) },
    ];
    return streamOf(events.map((event, index) => ({ ...event, sequence_number: index })));
  };
  const asked = [{ 'x-stainless-helper-method': 'stream' }, { 'tailrace-event-names': 'openai' }];

  test.each(asked)('pass where they were asked for: %j', async (headers) => {
    expect((await judge(document, { body: reasoning('reasoning_text'), headers })).found).toEqual([]);
    expect(judgesIn((await judge(document, { body: reasoning('reasoning'), headers })).found)).toEqual(['stream']);
  });

  test('and nowhere else', async () => {
    expect((await judge(document, { body: reasoning('reasoning') })).found).toEqual([]);
    expect(judgesIn((await judge(document, { body: reasoning('reasoning_text') })).found)).toEqual(
      expect.arrayContaining(both),
    );
  });
});

describe('answers', () => {
  const json = { contentType: 'application/json' };

  test('that are right pass, and what is not part of the API is left alone', async () => {
    const whole = JSON.stringify(responseOf('completed', [message('Hi', 'completed')]));
    expect(await judge(document, { ...json, body: whole })).toEqual({ found: [], read: whole });
    expect(
      (await judge(document, { contentType: 'text/plain', body: 'up', method: 'GET', path: '/metrics' })).found,
    ).toEqual([]);
  });

  test.each<[string, Sent]>([
    ['of a route that nobody has described', { ...json, body: '{}', path: '/v1/surprises' }],
    ['with a field too many', { ...json, body: JSON.stringify({ ...responseOf('completed'), mood: 'good' }) }],
    ['that are not JSON', { ...json, body: '{"id": ' }],
    ['of another type', { contentType: 'text/html', body: JSON.stringify(responseOf('completed')) }],
    [
      'of a server that failed',
      {
        ...json,
        status: 500,
        body: JSON.stringify({ error: { type: 'server_error', code: 'internal_error', message: 'No.', param: null } }),
      },
    ],
  ])('%s are caught', async (_, sent) => {
    const { found } = await judge(document, sent);
    expect(found).not.toEqual([]);
  });

  test('the end of a stack tells of each kind once, with how often it was', () => {
    const checks = new WireChecks(undefined);
    checks.violations.throwIfAny();
    for (let n = 0; n < 3; n += 1) checks.socketMessage('nonsense');
    expect(() => checks.violations.throwIfAny()).toThrow(/WebSocket: a message is not JSON \(3 times\)/);
  });
});

/** The loop over tools that the server runs, driven with the official client. */
import { randomBytes, randomUUID } from 'node:crypto';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { type Recorder, startRecorder } from './recorder.ts';

type OutputItem = OpenAI.Responses.ResponseOutputItem;

const MAX_OUTPUT_BYTES = 10_000;

let stack: TestStack;
let recorder: Recorder;
let client: OpenAI;

beforeAll(async () => {
  recorder = await startRecorder();
  const closed = await startRecorder();
  await closed.close();
  const echo = { kind: 'http', models: ['recorded'], url: `${recorder.url}/tools/echo` };
  const parameters = { type: 'object', properties: { q: { type: 'string' } } };
  stack = await testStack({
    env: { TOOL_MAX_OUTPUT_BYTES: String(MAX_OUTPUT_BYTES) },
    config: {
      models: [{ name: 'recorded', upstreams: [{ base_url: `${recorder.url}/v1`, model: 'upstream-name' }] }],
      tools: [
        { ...echo, name: 'lookup', description: 'Looks up.', parameters, headers: { authorization: 'Bearer sk-tool' } },
        { ...echo, name: 'impatient', timeout_ms: 300 },
        { ...echo, name: 'unreachable', url: `${closed.url}/tools/echo` },
        { ...echo, name: 'one_at_a_time', concurrency: 1 },
      ],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
  client = stack.openai();
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
});

/** Calls of tools as lines of a script. */
const call = (tool: string, args: Record<string, unknown>) => `!call ${tool} ${JSON.stringify(args)}`;

function outputsOf(output: readonly OutputItem[]): unknown[] {
  return output.flatMap((item) => (item.type === 'function_call_output' ? [item.output] : []));
}

/** What the model was told of its calls, in the last of its calls. */
function toldOutputs(marker: string): unknown[] {
  const last = recorder.chats(marker).at(-1);
  return (last?.messages ?? []).flatMap((message) => (message.role === 'tool' ? [message.content] : []));
}

describe('a loop of three model calls', () => {
  test('runs the tools of a turn in parallel, and tells the model their outputs under its own call ids', async () => {
    const [q1, q2, q3] = [randomUUID(), randomUUID(), randomUUID()];
    const { text, marker } = script(
      '!reasoning 2',
      call('lookup', { q: q1, _ms: 1_000 }),
      call('lookup', { q: q2, _ms: 1_000 }),
      '!turn',
      '!say And now the rest.',
      call('lookup', { q: q3 }),
      '!turn',
      '!say Done.',
    );
    const response = await client.responses.create({ model: 'recorded', input: text });
    expect(response).toMatchObject({ status: 'completed', output_text: 'And now the rest.Done.' });
    expect(response.output.map((item) => item.type)).toEqual([
      'reasoning',
      'function_call',
      'function_call',
      'function_call_output',
      'function_call_output',
      'message',
      'function_call',
      'function_call_output',
      'message',
    ]);
    const outputs = [{ q: q1, _ms: 1_000 }, { q: q2, _ms: 1_000 }, { q: q3 }].map((args) => JSON.stringify(args));
    expect(outputsOf(response.output)).toEqual(outputs);

    const tools = await callsWith(stack, q1).then(async (first) => [
      ...first.filter((each) => each.kind === 'tool'),
      ...(await callsWith(stack, q2)).filter((each) => each.kind === 'tool'),
    ]);
    const [a, b] = tools;
    if (tools.length !== 2 || !a?.closed_at || !b?.closed_at) throw new Error('both tools were to be called once');
    expect(Math.max(a.at, b.at), 'one began before the other had ended').toBeLessThan(
      Math.min(a.closed_at, b.closed_at),
    );

    const chats = recorder.chats(marker);
    expect(chats).toHaveLength(3);
    const messages = chats.at(-1)?.messages ?? [];
    const ids = messages.flatMap((message) => (message.role === 'assistant' ? (message.tool_calls ?? []) : []));
    expect(messages.map((message) => message.role)).toEqual(['user', 'assistant', 'tool', 'tool', 'assistant', 'tool']);
    expect(messages.flatMap((message) => (message.role === 'tool' ? [message.tool_call_id] : []))).toEqual(
      ids.map(({ id }) => id),
    );
    // The demo model's ids carry its own mark; the ids that clients see are the server's.
    expect(ids.every(({ id }) => /^call_[0-9a-f]{20}$/.test(id))).toBe(true);
    expect(messages.at(1)).toMatchObject({ role: 'assistant', content: null });
    expect(messages.at(4)).toMatchObject({ role: 'assistant', content: 'And now the rest.' });
    expect(toldOutputs(marker)).toEqual(outputs);
  });

  test('offers the tools to the model, and shows them in the response', async () => {
    const { text, marker } = script('!text 1');
    const response = await client.responses.create({ model: 'recorded', input: text });
    const names = ['impatient', 'lookup', 'one_at_a_time', 'unreachable'];
    const [chat] = recorder.chats(marker);
    expect(chat?.tools?.map((tool) => tool.function.name)).toEqual(names);
    expect(chat?.tools?.[1]).toEqual({
      type: 'function',
      function: {
        name: 'lookup',
        description: 'Looks up.',
        parameters: { type: 'object', properties: { q: { type: 'string' } } },
      },
    });
    expect(response.tools.map((tool) => tool.type === 'function' && tool.name)).toEqual(names);
  });

  test('a tool with a concurrency of one is never called twice at once', async () => {
    const q = randomUUID();
    const calls = [1, 2, 3].map((n) => call('one_at_a_time', { q, n, _ms: 60 }));
    const response = await client.responses.create({ model: 'recorded', input: script(...calls).text });
    expect(outputsOf(response.output)).toHaveLength(3);
    const spans = (await callsWith(stack, q)).filter((each) => each.kind === 'tool').sort((a, b) => a.at - b.at);
    expect(spans).toHaveLength(3);
    spans.slice(1).forEach((span, index) => {
      expect(span.at).toBeGreaterThanOrEqual(Math.floor(spans[index]?.closed_at ?? Number.POSITIVE_INFINITY));
    });
  });
});

describe('what a tool receives', () => {
  test('the arguments, its own headers, the id of the step and the trace of the request', async () => {
    const q = randomUUID();
    const trace = randomBytes(16).toString('hex');
    const { text, marker } = script(call('lookup', { q }));
    const { data: response, response: answer } = await client.responses
      .create(
        { model: 'recorded', input: text },
        { headers: { traceparent: `00-${trace}-${randomBytes(8).toString('hex')}-01` } },
      )
      .withResponse();
    expect(answer.headers.get('x-request-id')).toBe(trace);
    const steps = (await (await stack.fetch(`/v1/responses/${response.id}/steps`)).json()) as {
      data: { id: string; kind: string }[];
    };
    const [request, more] = recorder.requests('/tools/echo', q);
    expect(more).toBeUndefined();
    expect(JSON.parse(request?.text ?? '')).toEqual({ q });
    const { headers } = request ?? {};
    expect(headers).toMatchObject({ 'content-type': 'application/json', authorization: 'Bearer sk-tool' });
    expect(headers?.traceparent).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
    const step = steps.data.find(({ kind }) => kind === 'tool_call');
    expect(`step_${String(headers?.['idempotency-key']).replaceAll('-', '')}`).toBe(step?.id);
    const models = recorder.requests('/v1/chat/completions', marker);
    expect(models.map((each) => each.headers['x-correlation-id'])).toEqual([trace, trace]);
  });
});

describe('a tool that fails', () => {
  async function outputOf(...lines: string[]): Promise<{ error: { code: string; message: string } }> {
    const { text, marker } = script(...lines, '!turn', '!say I see.');
    const response = await client.responses.create({ model: 'recorded', input: text });
    expect(response).toMatchObject({ status: 'completed', error: null, output_text: 'I see.' });
    const [output, more] = outputsOf(response.output);
    expect(more).toBeUndefined();
    expect(toldOutputs(marker), 'the model reads what the client sees').toEqual([output]);
    const steps = await (await stack.fetch(`/v1/responses/${response.id}/steps`)).json();
    const parsed = JSON.parse(String(output)) as { error: { code: string; message: string } };
    expect(steps).toMatchObject({
      data: [
        { state: 'completed' },
        { kind: 'tool_call', state: 'failed', error: parsed.error },
        { state: 'completed' },
      ],
    });
    return parsed;
  }

  test('with an HTTP error', async () => {
    const { error } = await outputOf(call('lookup', { q: randomUUID(), _status: 500 }));
    expect(error).toEqual({
      code: 'tool_http_error',
      message: 'The tool answered 500: echo was asked to answer with status 500.',
    });
  });

  test('by taking too long', async () => {
    const { error } = await outputOf(call('impatient', { q: randomUUID(), _ms: 30_000 }));
    expect(error).toEqual({ code: 'tool_timeout', message: 'The tool did not answer within 300 ms.' });
  });

  test('by not being there', async () => {
    const { error } = await outputOf(call('unreachable', { q: randomUUID() }));
    expect(error).toEqual({ code: 'tool_unreachable', message: 'The tool could not be reached: ECONNREFUSED.' });
  });

  test('by arguments that are not JSON; it is not called', async () => {
    const q = randomUUID();
    const { error } = await outputOf(`!raw-call lookup {"q":"${q}"`);
    expect(error.code).toBe('tool_invalid_arguments');
    expect(recorder.requests('/tools/echo', q)).toEqual([]);
  });

  test('by arguments that are JSON, but no object', async () => {
    const { error } = await outputOf('!raw-call lookup [1, 2]');
    expect(error.code).toBe('tool_invalid_arguments');
  });

  test('by an output that is too large', async () => {
    const { error } = await outputOf(call('lookup', { q: randomUUID(), _bytes: MAX_OUTPUT_BYTES + 1 }));
    expect(error).toMatchObject({ code: 'tool_output_too_large', message: expect.stringContaining('10000 bytes') });
  });

  test('beside one that does not', async () => {
    const q = randomUUID();
    const { text } = script(call('lookup', { q, _status: 503 }), call('lookup', { q, ok: true }));
    const response = await client.responses.create({ model: 'recorded', input: text });
    const [failed, fine] = outputsOf(response.output);
    expect(JSON.parse(String(failed))).toMatchObject({ error: { code: 'tool_http_error' } });
    expect(JSON.parse(String(fine))).toEqual({ q, ok: true });
    expect(response.status).toBe('completed');
  });

  test('an output as large as is allowed goes through whole, and no arguments mean none', async () => {
    const { text, marker } = script(call('lookup', { _bytes: MAX_OUTPUT_BYTES - 200 }), '!raw-call lookup');
    const response = await client.responses.create({ model: 'recorded', input: text });
    expect(outputsOf(response.output)).toEqual(['x'.repeat(MAX_OUTPUT_BYTES - 200), '{}']);
    expect(toldOutputs(marker)).toEqual(outputsOf(response.output));
  });
});

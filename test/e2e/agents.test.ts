/** Agents: tools that are models with tools of their own, any number of levels deep. */
import { foldEvents, type ResponseEvent } from '@tailrace/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentConfig, ask, flat, look, outline, progressIn, stepsOf, threeLevels } from '../harness/agents.ts';
import { eventually } from '../harness/eventually.ts';
import { type Followed, type FollowOptions, follow } from '../harness/follow.ts';
import { expectWhole } from '../harness/invariants.ts';
import { script } from '../harness/scripts.ts';
import { eventOf, readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { callsWith } from '../harness/upstream-calls.ts';
import { type Recorder, startRecorder } from './recorder.ts';

let stack: TestStack;
let recorder: Recorder;

beforeAll(async () => {
  recorder = await startRecorder();
  stack = await testStack({
    replicas: { gateway: 2, orchestrator: 2, modelCaller: 2, toolRunner: 2 },
    env: { MAX_DEPTH: '3' },
    config: {
      ...agentConfig(recorder.url),
      models: [
        {
          name: 'demo',
          groups: ['everyone'],
          concurrency: 64,
          upstreams: [{ base_url: `${recorder.url}/v1`, model: 'demo' }],
        },
      ],
    },
  });
  recorder.forwardTo(stack.demoModelUrl);
});
afterAll(async () => {
  await stack.stop();
  await recorder.close();
});

const PROGRESS = { body: { include: ['tailrace.progress'] } };

async function run(text: string, options: FollowOptions = {}) {
  const stream = await follow(stack, text, options);
  return { stream, response: await expectWhole(stack, stream) };
}

/** The outputs of a response's calls, parsed where they are errors. */
function outputsOf(output: Awaited<ReturnType<typeof run>>['response']['output']): unknown[] {
  return output.flatMap((item) => {
    if (item.type !== 'function_call_output' || typeof item.output !== 'string') return [];
    return [item.output.startsWith('{"error"') ? JSON.parse(item.output) : item.output];
  });
}

/** What each agent's events build, by the call that it answers: the events are a response's, less its beginning and end. */
function agentOutputs(stream: Followed) {
  const created = eventOf(stream.frames[0] ?? '');
  const scopes = new Map<string, { agent: string; events: ResponseEvent[] }>();
  for (const { parent_step_id, agent, event, sequence_number } of progressIn(stream.frames)) {
    const scope = scopes.get(parent_step_id) ?? { agent, events: [created] };
    scope.events.push({ ...event, sequence_number });
    scopes.set(parent_step_id, scope);
  }
  return [...scopes].map(([call, { agent, events }]) => ({ call, agent, output: foldEvents(events).output }));
}

describe('three levels of agents, side by side', () => {
  test('answer like any tool; nothing of what happens inside is in the output or the stream', async () => {
    const { text, marker, modelCalls } = threeLevels();
    const { stream, response } = await run(text);
    expect(response.status).toBe('completed');
    expect(response.output.map((item) => item.type)).toEqual([
      'function_call',
      'function_call',
      'function_call',
      'function_call_output',
      'function_call_output',
      'function_call_output',
      'message',
    ]);
    expect(outputsOf(response.output).slice(0, 2)).toEqual(['one is done.', 'two is done.']);
    expect(progressIn(stream.frames)).toEqual([]);
    const said = stream.frames.map(eventOf).flatMap((event) => (event.type.endsWith('text.delta') ? [event] : []));
    expect(said.map((event) => ('delta' in event ? event.delta : '')).join('')).toBe('All done.');
    const calls = await callsWith(stack, marker);
    expect(calls.filter((call) => call.kind === 'model')).toHaveLength(modelCalls);
    expect(calls.filter((call) => call.kind === 'tool')).toHaveLength(5);
  });

  test('run at once, are told their own instructions, and are there in /steps', async () => {
    const { text, marker } = threeLevels(['!text 20 20']);
    const { response } = await run(text);
    const tree = await stepsOf(stack, response.id);
    const analyst = 'analyst(demo, reader(demo, look, demo), demo)';
    const researcher = `researcher(demo, ${analyst}, ${analyst}, demo)`;
    expect(outline(tree)).toBe(`demo, ${researcher}, ${researcher}, look, demo`);
    const readers = flat(tree).filter(({ name }) => name === 'reader');
    const begun = Math.max(...readers.map(({ started_at }) => Date.parse(started_at ?? '')));
    const ended = Math.min(...readers.map(({ ended_at }) => Date.parse(ended_at ?? '')));
    expect(begun, 'all have begun before any has ended').toBeLessThan(ended);
    const inner = recorder.chats(marker).filter(({ messages }) => JSON.stringify(messages[0]).includes('You are the'));
    expect(inner.map(({ messages }) => messages[0]?.content)).toEqual(
      expect.arrayContaining(['You are the researcher.', 'You are the analyst.', 'You are the reader.']),
    );
    expect(inner.filter(({ messages }) => messages[0]?.content === 'You are the reader.')[0]?.tools).toMatchObject([
      { function: { name: 'look' } },
    ]);
  });

  test('are counted once in the usage', async () => {
    const { response } = await run(threeLevels().text);
    const models = flat(await stepsOf(stack, response.id)).filter(({ kind }) => kind === 'model_call');
    const sum = (of: 'input_tokens' | 'output_tokens' | 'total_tokens') =>
      models.reduce((total, { usage }) => total + (usage?.[of] ?? Number.NaN), 0);
    expect(response.usage).toMatchObject({
      input_tokens: sum('input_tokens'),
      output_tokens: sum('output_tokens'),
      total_tokens: sum('total_tokens'),
    });
    const { rows } = await stack.database.query<{ input: string; output: string }>(
      `SELECT sum(input_tokens) AS input, sum(output_tokens) AS output FROM http_analytics WHERE response_id = $1::uuid`,
      [response.id.replace('resp_', '')],
    );
    expect(Number(rows[0]?.input)).toBe(response.usage?.input_tokens);
    expect(Number(rows[0]?.output)).toBe(response.usage?.output_tokens);
  });

  test('are no part of what the next turn is told', async () => {
    const first = await run(threeLevels().text);
    const { text, marker } = script('!say Next.');
    const { response } = await run(text, { body: { previous_response_id: first.response.id } });
    expect(response).toMatchObject({ status: 'completed' });
    const [asked] = recorder.chats(marker);
    expect(asked?.messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
      'tool',
      'tool',
      'assistant',
      'user',
    ]);
    expect(JSON.stringify(asked?.messages.slice(2))).not.toContain('looks');
  });
});

describe('the progress of agents', () => {
  test('is in the stream of a client that asks for it, scope by scope', async () => {
    const { stream, response } = await run(threeLevels().text, PROGRESS);
    expect(outputsOf(response.output).slice(0, 2)).toEqual(['one is done.', 'two is done.']);
    const progress = progressIn(stream.frames);
    expect(new Set(progress.map(({ agent, depth }) => `${agent} ${depth}`))).toEqual(
      new Set(['researcher 1', 'analyst 2', 'reader 3']),
    );
    const tree = flat(await stepsOf(stack, response.id));
    const ids = new Set(tree.map(({ id }) => id));
    expect(progress.every(({ step_id, parent_step_id }) => ids.has(step_id) && ids.has(parent_step_id))).toBe(true);
    const outputs = agentOutputs(stream);
    expect(outputs).toHaveLength(10);
    for (const { agent, output } of outputs) {
      expect(
        output.every((item) => !('status' in item) || item.status === 'completed'),
        agent,
      ).toBe(true);
      expect(output.at(-1)?.type).toBe('message');
    }
    const readers = outputs.filter(({ agent }) => agent === 'reader').map(({ output }) => output);
    expect(readers.map((output) => output.map(({ type }) => type))).toEqual(
      Array.from({ length: 4 }, () => ['message', 'function_call', 'function_call_output', 'message']),
    );
  });

  test('resumes after any event with the same bytes', async () => {
    const { stream } = await run(threeLevels().text, PROGRESS);
    expect(progressIn(stream.frames).length).toBeGreaterThan(100);
    for (let after = 0; after < stream.frames.length; after += 7) {
      const path = `/v1/responses/${stream.id}?stream=true&starting_after=${after}`;
      const rest = await readFrames(await stack.fetch(path, { gateway: after % 2 }));
      expect(rest.frames, `after event ${after}`).toEqual(stream.frames.slice(after + 1));
    }
  });

  test('is the same for a client that comes back again and again while it runs', async () => {
    const { text } = threeLevels(['!text 30 10']);
    const rests: Promise<void>[] = [];
    const whole: string[][] = [];
    const stream = await follow(stack, text, {
      ...PROGRESS,
      onFrame: (frames, id) => {
        if (frames.length % 40 !== 0) return;
        const after = frames.length - 1;
        const path = `/v1/responses/${id}?stream=true&starting_after=${after}`;
        rests.push(
          stack.fetch(path, { gateway: 1 }).then(async (answer) => {
            whole[after] = (await readFrames(answer)).frames;
          }),
        );
      },
    });
    await Promise.all(rests);
    expect(rests.length).toBeGreaterThan(3);
    whole.forEach((frames, after) => {
      expect(frames, `after event ${after}`).toEqual(stream.frames.slice(after + 1));
    });
    await expectWhole(stack, stream);
  });
});

describe('what goes wrong inside is for the calling model to read', () => {
  test('a model that fails', async () => {
    const { text } = script(ask('researcher', '!error 400 no such thing'), '!turn', '!say I see.');
    const { response } = await run(text);
    expect(response).toMatchObject({ status: 'completed' });
    expect(outputsOf(response.output)).toMatchObject([{ error: { code: 'upstream_error' } }]);
  });

  test('a model that is cut short', async () => {
    const { text } = script(ask('researcher', '!say Half\n!finish length'), '!turn', '!say I see.');
    const { response } = await run(text);
    expect(response.status).toBe('completed');
    expect(outputsOf(response.output)).toMatchObject([{ error: { code: 'agent_incomplete' } }]);
  });

  test('a failure two levels down reaches the level above it, which goes on', async () => {
    const analyst = script(ask('reader', '!error 400 broken'), '!turn', '!say The reader failed.');
    const { text } = script(ask('researcher', script(ask('analyst', analyst), '!turn', '!say Never mind.')));
    const { response } = await run(text);
    expect(outputsOf(response.output)).toEqual(['Never mind.']);
    const reader = flat(await stepsOf(stack, response.id)).find(({ name }) => name === 'reader');
    expect(reader).toMatchObject({ state: 'failed', error: { code: 'upstream_error' } });
  });

  test('arguments that the agent does not take: it is not begun', async () => {
    const { text } = script('!call exact {"town":"Paris"}', '!call exact {"city":"Paris"}', '!turn', '!say I see.');
    const { response } = await run(text);
    const [refused, answered] = outputsOf(response.output);
    expect(refused).toMatchObject({ error: { code: 'tool_arguments_mismatch' } });
    expect(answered).toEqual(expect.any(String));
    const calls = (await stepsOf(stack, response.id)).filter(({ name }) => name === 'exact');
    expect(calls.map(({ children }) => children.length > 0)).toEqual([false, true]);
  });
});

describe('caps', () => {
  test('of depth: the call that goes too deep is refused', async () => {
    const deep = (levels: number): string =>
      levels === 0
        ? '!say The bottom.'
        : script(ask('mirror', deep(levels - 1)), '!turn', `!say Level ${levels}.`).text;
    const { response } = await run(deep(4));
    expect(response.status).toBe('completed');
    const mirrors = flat(await stepsOf(stack, response.id)).filter(({ name }) => name === 'mirror');
    expect(mirrors.map(({ state, error }) => [state, error?.code])).toEqual([
      ['completed', undefined],
      ['completed', undefined],
      ['completed', undefined],
      ['failed', 'max_depth_exceeded'],
    ]);
  });

  test('of an agent’s model calls', async () => {
    const brief = script(look('Rome'), '!turn', look('Oslo'), '!turn', '!say Too late.');
    const { response } = await run(script(ask('brief', brief), '!turn', '!say I see.').text);
    expect(response.status).toBe('completed');
    expect(outputsOf(response.output)).toMatchObject([{ error: { code: 'max_iterations_exceeded' } }]);
  });

  test('of an agent’s tool calls', async () => {
    const brief = script(...['a', 'b', 'c', 'd'].map((city) => look(city)), '!turn', '!say Done.');
    const { response } = await run(script(ask('brief', brief), '!turn', '!say I see.').text);
    expect(outputsOf(response.output)).toEqual(['Done.']);
    const looks = flat(await stepsOf(stack, response.id)).filter(({ name }) => name === 'look');
    expect(looks.map(({ error }) => error?.code)).toEqual([undefined, undefined, undefined, 'max_tool_calls_exceeded']);
  });

  test('of an agent’s time: it begins nothing more', async () => {
    const hasty = script('!text 20 30', look('Rome'), '!turn', '!say Too late.');
    const { response } = await run(script(ask('hasty', hasty), '!turn', '!say I see.').text);
    expect(response.status).toBe('completed');
    expect(outputsOf(response.output)).toMatchObject([{ error: { code: 'tool_timeout' } }]);
    expect(outline(await stepsOf(stack, response.id))).toBe('demo, hasty(demo), demo');
  });

  test('of the request’s tool calls, which are counted at all depths', async () => {
    const inner = script(look('a'), look('b'), look('c'), '!turn', '!say Done.');
    const { response } = await run(script(ask('researcher', inner), '!turn', look('d'), '!turn', '!say End.').text, {
      body: { max_tool_calls: 3 },
    });
    expect(response.status).toBe('completed');
    const looks = flat(await stepsOf(stack, response.id)).filter(({ name }) => name === 'look');
    expect(looks.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      'max_tool_calls_exceeded',
      'max_tool_calls_exceeded',
    ]);
  });
});

describe('cancelling', () => {
  test.each([
    ['without', false],
    ['with', true],
  ])('reaches every model and tool that is at work, at every depth (%s progress)', async (_, shown) => {
    const { text, marker } = threeLevels(['!text 5000 20']);
    let talking = 0;
    const following = follow(stack, text, {
      ...(shown ? PROGRESS : {}),
      onFrame: (frames) => {
        if (frames.at(-1)?.includes('"delta":"w1 "')) talking += 1;
      },
    });
    const open = async () => (await callsWith(stack, marker)).filter((call) => call.closed_at === null);
    await eventually(
      'the four readers are talking',
      async () => (await open()).length === 4 && (!shown || talking === 4),
    );
    const { rows } = await stack.database.query<{ id: string }>('SELECT id FROM responses WHERE ended_at IS NULL');
    const [live] = rows;
    const asked = await stack.fetch(`/v1/responses/resp_${live?.id.replaceAll('-', '')}/cancel`, {
      method: 'POST',
      body: '{}',
      gateway: 1,
    });
    expect(asked.status).toBe(200);
    const stream = await following;
    const response = await expectWhole(stack, stream);
    expect(response.status).toBe('cancelled');
    await eventually('every upstream is let go', async () => (await open()).length === 0 || undefined, 2_000);
    const states = flat(await stepsOf(stack, stream.id)).map(({ name, kind, state }) => `${kind} ${name} ${state}`);
    expect(states.filter((state) => state === 'model_call demo canceled')).toHaveLength(4);
    expect(states.filter((state) => state.endsWith('canceled'))).toHaveLength(4 + 10);
    if (!shown) return;
    const readers = agentOutputs(stream).filter(({ agent }) => agent === 'reader');
    expect(readers).toHaveLength(4);
    for (const { output } of readers) {
      expect(output.at(-1)).toMatchObject({ type: 'message', status: 'incomplete' });
    }
  });
});

/** The checker finds nothing in a sound run, and in a broken one exactly what is broken. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from '../harness/scripts.ts';
import { readFrames } from '../harness/sse.ts';
import { type TestStack, testStack } from '../harness/stack.ts';
import { check, gather } from './machine/checker/index.ts';
import { PLANTED_IN_AGENTS } from './machine/checker/planted-in-agents.ts';
import { PLANTED_IN_RECORDS } from './machine/checker/planted-in-records.ts';
import { PLANTED_IN_STREAMS } from './machine/checker/planted-in-streams.ts';
import { agentParts, agentSources } from './machine/checker/sample-agent.ts';
import { AT, addCall, BROKEN, client, everywhere, parts, there, wipe } from './machine/checker/sample-parts.ts';
import { sampleRun } from './machine/checker/sample-run.ts';
import { SOUND } from './machine/checker/sound-variations.ts';
import type { Call, ClientView, ResponseRecord, RunRecord } from './machine/record/index.ts';

describe('planted violations', () => {
  test.each([...PLANTED_IN_STREAMS, ...PLANTED_IN_RECORDS])('%s: %s', (_, invariant, plant) => {
    const run = sampleRun();
    plant(parts(run));
    const violations = check(run.record, run.evidence);
    expect(violations.map(({ invariant, responseIndex }) => ({ invariant, responseIndex }))).toEqual([
      { invariant, responseIndex: BROKEN },
    ]);
    expect(violations[0]).toMatchObject({ id: run.record.responses[BROKEN]?.id, what: expect.stringMatching(/\w/) });
  });

  test.each(PLANTED_IN_AGENTS)('%s: %s', (_, invariant, { told, done }) => {
    const sources = agentSources();
    told?.(sources);
    const broken = agentParts(sources);
    done?.(broken);
    const { record, evidence } = broken.run;
    const violations = check(record, evidence);
    expect(
      violations.map(({ invariant }) => invariant),
      JSON.stringify(violations.map(({ what }) => what)),
    ).toEqual([invariant]);
  });

  test('a process takes more memory than it may: I8', () => {
    const run = sampleRun();
    const mib = 1024 * 1024;
    run.record.memory.push({ pid: 8, role: 'gateway', at: AT, rss: 203 * mib, connections: 4 });
    const limits = { memory: () => ({ base: 200 * mib, perConnection: mib / 2 }) };
    const violations = check(run.record, run.evidence, limits);
    expect(violations).toMatchObject([{ invariant: 'I8', responseIndex: null, id: null }]);
    expect(violations[0]?.what).toBe('gateway (pid 8) took 203.0 MiB, 1.0 MiB more than it may');
  });

  test('a call of which nobody knows whose it is, and which is not booked', () => {
    const run = sampleRun();
    const stray = { text: 'what an agent is told', messages_count: 1, client_request_id: 'stray' };
    addCall(parts(run), stray);
    expect(check(run.record, run.evidence)).toMatchObject([{ invariant: 'analytics', responseIndex: null, id: null }]);
  });

  test('several at once are told apart', () => {
    const run = sampleRun();
    there(run.record.responses[0]?.foreign[0]).status = 200;
    there(run.record.responses[2]?.clients[0]).frames.splice(3, 1);
    run.evidence.responses.get(run.record.responses[2]?.id ?? '')?.analytics.pop();
    const found = check(run.record, run.evidence).map(
      ({ invariant, responseIndex }) => `${responseIndex} ${invariant}`,
    );
    expect(found).toEqual(['0 I7', '2 I1', '2 analytics']);
  });

  test('a violation tells the story of its response', () => {
    const run = sampleRun();
    run.record.faults.push({ kind: 'kill', target: 'tool-runner 0', from: AT + 60, to: AT + 65 });
    client(parts(run), 0).frames.splice(10, 1);
    const [violation] = check(run.record, run.evidence);
    expect(violation?.what).toBe('client 0: after 9 comes 11, and no log had been lost');
    const story = violation?.timeline ?? [];
    const place = (text: string) => story.findIndex((line) => line.includes(text));
    const inOrder = [
      'client 0: attaches at gateway 0 after -1',
      'model chat.completions: called (1 messages)',
      'fault: kill of tool-runner 0',
      'tool get_time: called (step',
      'another owner: GET /v1/responses/',
      'row: completed',
      'client 1: attaches at gateway 0 after 4',
      'owner: GET: 200, completed',
    ];
    expect(inOrder.map(place)).not.toContain(-1);
    const moments = story.map((line) => Number.parseFloat(line));
    expect(moments).toEqual(moments.toSorted((a, b) => a - b));
    expect(story.some((line) => line.endsWith('ms  client 0: gets 11'))).toBe(true);
  });
});

test.each(SOUND)('a sound run has no violation: %s', (_, arrange) => {
  const run = sampleRun();
  arrange(parts(run));
  expect(check(run.record, run.evidence)).toEqual([]);
});

test('a sound run of a response that shows its agent has no violation', () => {
  const { record, evidence } = agentParts(agentSources()).run;
  expect(check(record, evidence)).toEqual([]);
});

test('logs that have been lost explain nothing of one that is whole', () => {
  const broken = parts(sampleRun());
  broken.run.record.faults.push(wipe(AT + 10));
  everywhere(broken, '"delta":"noon."', '"delta":"noon!"');
  expect(check(broken.run.record, broken.run.evidence)).toMatchObject([{ invariant: 'I3', responseIndex: BROKEN }]);
});

test('a log that has been lost explains no jump before', () => {
  const run = sampleRun();
  const broken = parts(run);
  run.record.faults.push(wipe(AT + 100_000));
  client(broken, 0).frames.splice(4, 1);
  expect(check(run.record, run.evidence)).toMatchObject([{ invariant: 'I1', responseIndex: BROKEN }]);
});

describe('a real run', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await testStack({ replicas: { gateway: 2 } });
  });
  afterAll(() => stack.stop());

  /** Creates a response, follows it with one client, and with another one from the middle; asks at last how it ended. */
  async function respond(index: number, request: { text: string; marker: string }): Promise<ResponseRecord> {
    const body = { model: 'demo', input: request.text, stream: true };
    const at = Date.now();
    const idempotencyKey = crypto.randomUUID();
    const answer = await stack.fetch('/v1/responses', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'idempotency-key': idempotencyKey },
    });
    const whole = await viewed(answer, { at, gateway: 0, after: -1 });
    const id = /"id":"(resp_[0-9a-f]+)"/.exec(whole.frames[0]?.text ?? '')?.[1] ?? null;
    const later = { at: Date.now(), gateway: 1, after: 4 };
    const attached = await viewed(
      await stack.fetch(`/v1/responses/${id}?stream=true&starting_after=4`, { gateway: 1 }),
      later,
    );
    const poll = await stack.fetch(`/v1/responses/${id}`, { gateway: 1 });
    return {
      index,
      id,
      idempotencyKey,
      shape: 'test',
      owner: 'default',
      marker: request.marker,
      request: body,
      creates: [{ at, gateway: 0, marker: request.marker, status: 200, id, retryAfter: null }],
      acceptedAt: whole.frames[0]?.at ?? null,
      clients: [whole, attached],
      polls: [{ at: Date.now(), status: poll.status, body: await poll.json() }],
      foreign: [],
    };
  }

  async function viewed(answer: Response, attach: ClientView['attaches'][number]): Promise<ClientView> {
    const times: number[] = [];
    const { frames, done } = await readFrames(answer, () => {
      times.push(Date.now());
      return false;
    });
    return {
      attaches: [attach],
      frames: frames.map((text, index) => ({ at: there(times[index]), text })),
      done,
      errors: [],
      toTheEnd: true,
    };
  }

  test('is sound, and planted violations in it are found', async () => {
    const city = `city-${crypto.randomUUID()}`;
    const responses = await Promise.all([
      respond(0, script('!text 50 2')),
      respond(
        1,
        script(
          '!reasoning 4 2',
          `!call get_weather {"city":"${city}"}`,
          `!call get_time {"city":"${city}"}`,
          '!turn',
          '!text 30',
        ),
      ),
      respond(2, script('!error 500 times=1 Not now.', '!text 20')),
      respond(3, script(`!text 3000 0`)),
      respond(4, script('!error 400 Never.')),
      respond(5, script('!call get_time {"city":"Rome","_bytes":2000000}')),
    ]);
    const calls = (await (await fetch(`${stack.demoModelUrl}/_calls`)).json()) as Call[];
    const record: RunRecord = { seed: 1, responses, faults: [], calls, memory: [] };
    const evidence = await gather({ databaseUrl: stack.databaseUrl, natsUrl: stack.natsUrl });
    expect(check(record, evidence)).toEqual([]);
    expect(evidence.responses.size).toBe(6);
    const loop = there(evidence.responses.get(there(responses[1]).id ?? ''));
    expect(loop.steps.map(({ kind }) => kind)).toEqual(['model_call', 'tool_call', 'tool_call', 'model_call']);
    expect(loop.analytics.length).toBe(4);
    expect(loop.log.at(-1)?.ended).toBe('completed');
    const beside = there(evidence.responses.get(there(responses[5]).id ?? '')).log.at(-1);
    expect(beside?.text?.length, 'a payload that fits into no message').toBeGreaterThan(2_000_000);

    loop.log.splice(2, 1);
    there(responses[0]?.clients[1]).frames.splice(3, 1);
    there(evidence.responses.get(there(responses[2]).id ?? '')).analytics.pop();
    calls.push({ ...there(calls.find(({ text }) => text?.startsWith(there(responses[4]).marker))), at: Date.now() });
    const found = check(record, evidence).map(({ invariant, responseIndex }) => `${responseIndex} ${invariant}`);
    expect(found).toEqual(['0 I1', '1 I1', '2 analytics', '4 re-executed', '4 analytics']);
  });
});

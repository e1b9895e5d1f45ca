/** Messages that can never be handled. */
import { type CreateCommand, encodeMessage, type Reply, type ResultCommand } from '@tailrace/bus';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { handleChainMessage } from '../src/chain-messages.ts';
import { ChainBench, calling } from './chain-bench.ts';
import { createCommand } from './limits/limited-database.ts';

let bench: ChainBench;
beforeAll(async () => {
  bench = await ChainBench.start();
});
afterAll(() => bench?.stop());

/** Delivers a message until it is dealt with; resolves with how often that was. */
async function deliver(kind: string, command: CreateCommand | ResultCommand, bus = bench.bus): Promise<number> {
  for (let deliveryCount = 1; deliveryCount <= 20; deliveryCount += 1) {
    const message = {
      subject: `tr.chain.0.${kind}`,
      data: encodeMessage(command),
      headers: undefined,
      redelivered: deliveryCount > 1,
      deliveryCount,
      term: () => undefined,
    };
    try {
      await handleChainMessage(bench.context({ bus }), message, bench.signal);
      return deliveryCount;
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error;
    }
  }
  return Number.POSITIVE_INFINITY;
}

const SEALED = { type: 'compaction' as const, id: 'cmp_1', encrypted_content: 'sealed with the key before' };
const HELLO = { type: 'message' as const, role: 'user' as const, content: 'Hello.' };

describe('what cannot be carried on is given up', () => {
  test('a response whose prompt cannot be read: it ends, and who waits is told', async () => {
    const replyTo = 'answers.create';
    const replies: Reply[] = [];
    const subscription = bench.bus.nc.subscribe(replyTo, {
      callback: (_error, message) => {
        if (message.reply) message.respond(encodeMessage({ waiting: true }));
        else replies.push(JSON.parse(Buffer.from(message.data).toString()) as Reply);
      },
    });
    const { request } = createCommand([]);
    const body = { ...request.body, input: [SEALED, HELLO] };
    const command = createCommand([], { replyTo, request: { ...request, body } });
    expect(await deliver('create', command)).toBe(3);
    await bench.bus.nc.flush();
    subscription.unsubscribe();
    expect(replies.at(-1)).toMatchObject({ accepted: false, error: { code: 'internal_error' } });
    const { record } = await bench.load(command.id);
    expect(record).toMatchObject({ status: 'failed', error: { code: 'internal_error' } });
    expect(await bench.loggedEnd(command.id)).toBe('failed');
  });

  test('a result that is recorded, and what follows from it cannot be handed out', async () => {
    const tools = [{ name: 'pay', description: null, parameters: { type: 'object' } }];
    const { request } = createCommand([]);
    const { record } = await bench.begin({ request: { ...request, server_tools: tools } });
    const { chain } = await bench.answer(record.id, [calling('pay')]);
    const tool = chain.find((step) => step.kind === 'tool_call');
    const unable = bench.publishing((subject, data, headers) => {
      if (subject.startsWith('tr.work.')) throw new Error('this work cannot be published');
      return bench.bus.publisher.publish(subject, data, headers);
    });
    const result: ResultCommand = {
      kind: 'tool_call',
      responseId: record.id,
      stepId: tool?.id ?? '',
      attempt: 1,
      startedAt: Date.now(),
      endedAt: Date.now(),
      correlationId: '0'.repeat(32),
      outcome: { result: { output: 'paid' } },
      calls: [],
    };
    expect(await deliver('result', result, unable)).toBe(10);
    const ended = await bench.load(record.id);
    expect(ended.record).toMatchObject({ status: 'failed', error: { code: 'internal_error' } });
    expect(ended.chain.map(({ outcome }) => outcome.state)).toEqual(['completed', 'completed', 'canceled']);
    expect(await bench.loggedEnd(record.id)).toBe('failed');
  });
});

import OpenAI from 'openai';
import { expect } from 'vitest';
import { collect, failureOf, type Scenario } from './scenario.ts';

const UNKNOWN = 'resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b';

/** What goes wrong, and how an application hears of it. */
export function errorScenarios(scenario: Scenario): void {
  scenario('error-parameter', async ({ client }) => {
    const error = await failureOf(client.responses.create({ model: 'demo', input: 'Hi', temperature: 3 }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code: 'invalid_value', param: 'temperature' });
    const item = { type: 'message', role: 'robot', content: 'Hi' } as unknown as OpenAI.Responses.ResponseInputItem;
    const nested = await failureOf(client.responses.create({ model: 'demo', input: [item] }));
    expect(nested).toMatchObject({ status: 400, param: 'input[0].role' });
  });

  scenario('error-unknown-parameter', async ({ client }) => {
    const params = { model: 'demo', input: 'Hi', ...{ inptu: 'Hi' } };
    const error = await failureOf(client.responses.create(params));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code: 'unknown_parameter', param: 'inptu' });
  });

  scenario('error-unknown-model', async ({ client }) => {
    const error = await failureOf(client.responses.create({ model: 'gpt-0', input: 'Hi' }));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
  });

  scenario('error-wrong-key', async ({ client }) => {
    const stranger = client.withOptions({ apiKey: 'sk-wrong' });
    const error = await failureOf(stranger.responses.create({ model: 'demo', input: 'Hi' }));
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  scenario('error-unknown-response', async ({ client }) => {
    const { responses } = client;
    const requests: (() => PromiseLike<unknown>)[] = [
      () => responses.retrieve(UNKNOWN),
      () => responses.retrieve(UNKNOWN, { stream: true }),
      () => responses.cancel(UNKNOWN),
      () => responses.delete(UNKNOWN),
      () => responses.inputItems.list(UNKNOWN),
    ];
    for (const request of requests) expect(await failureOf(request())).toBeInstanceOf(OpenAI.NotFoundError);
    const next = responses.create({ model: 'demo', input: 'Hi', previous_response_id: UNKNOWN });
    const error = await failureOf(next);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code: 'previous_response_not_found', param: 'previous_response_id' });
  });

  scenario('error-upstream', async ({ client }) => {
    const params = { model: 'demo', input: '!error 400 The prompt is too rude.' };
    const response = await client.responses.create(params);
    const message = 'The model server answered 400: The prompt is too rude.';
    expect(response).toMatchObject({ status: 'failed', error: { code: 'upstream_error', message } });
    const seen: string[] = [];
    const streamed = client.responses.create({ ...params, stream: true }).then(async (stream) => {
      for await (const event of stream) seen.push(event.type);
    });
    const error = await failureOf(streamed);
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect(error).toMatchObject({ code: 'upstream_error', message: expect.stringContaining('too rude') });
    expect(seen).toEqual(['response.created', 'response.in_progress']);
    expect(await failureOf(client.responses.stream(params).finalResponse())).toBeInstanceOf(OpenAI.OpenAIError);
    const replayed = await failureOf(client.responses.retrieve(response.id, { stream: true }).then(collect));
    expect(replayed).toMatchObject({ code: 'upstream_error' });
  });
}

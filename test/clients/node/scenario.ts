import type OpenAI from 'openai';

/** The official client at two gateways of one stack. */
export interface Clients {
  client: OpenAI;
  elsewhere: OpenAI;
}

/** Registers what the scenario of a name does; see `scenarios.md`. */
export type Scenario = (name: string, run: (clients: Clients) => Promise<void>) => void;

/** All events of a stream. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const events: T[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** What a promise is rejected with; fails for one that is not. */
export async function failureOf(promise: PromiseLike<unknown>): Promise<unknown> {
  const outcome = await Promise.resolve(promise).then(
    () => ({ thrown: undefined, failed: false }),
    (thrown: unknown) => ({ thrown, failed: true }),
  );
  if (!outcome.failed) throw new Error('the request was to fail');
  return outcome.thrown;
}

/** The one function call of a response. */
export function callIn({ output }: OpenAI.Responses.Response): OpenAI.Responses.ResponseFunctionToolCall {
  const [call, more] = output.flatMap((item) => (item.type === 'function_call' ? [item] : []));
  if (!call || more) throw new Error('there was to be one call');
  return call;
}

/** A function of the client. */
export function tool(name: string, properties: Record<string, unknown> = {}): OpenAI.Responses.FunctionTool {
  const required = Object.keys(properties);
  const parameters = { type: 'object', properties, required, additionalProperties: false };
  return { type: 'function', name, description: `Does ${name}.`, parameters, strict: true };
}

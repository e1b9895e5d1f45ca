/** Requests that no server should take: each is wrong in one way that the specification names, or that no parser allows. */
import fc from 'fast-check';

/** A request that must be refused. */
export interface Malformed {
  /** How it is wrong, for the report. */
  kind: string;
  method: 'POST' | 'GET' | 'DELETE' | 'PATCH';
  path: string;
  headers: Record<string, string>;
  body: string | Buffer | null;
}

type Json = Record<string, unknown>;

const JSON_TYPE = { 'content-type': 'application/json' };
const valid = (): Json => ({ model: 'demo', input: 'Hello' });

const post = (kind: string, body: string | Buffer, path = '/v1/responses', headers = JSON_TYPE): Malformed => {
  return { kind, method: 'POST', path, headers, body };
};
const sent = (kind: string, body: unknown, path?: string) => post(kind, JSON.stringify(body), path);

/** A value of any type but those that are named. */
const notA = (...types: string[]) =>
  fc
    .oneof(
      fc.integer({ min: -5, max: 5 }),
      fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
      fc.boolean(),
      fc.string({ maxLength: 8 }),
      fc.array(fc.integer(), { minLength: 1, maxLength: 3 }),
      fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), fc.integer(), { minKeys: 1, maxKeys: 3 }),
    )
    .filter((value) => !types.includes(Array.isArray(value) ? 'array' : typeof value));

/** Each field of a request with a type that it may not have. */
const WRONG_TYPES: Record<string, fc.Arbitrary<unknown>> = {
  model: notA('string'),
  input: notA('string', 'array'),
  instructions: notA('string'),
  previous_response_id: notA('string'),
  conversation: notA('string'),
  include: notA('array'),
  tools: notA('array'),
  tool_choice: notA('string'),
  parallel_tool_calls: notA('boolean'),
  max_tool_calls: notA('number'),
  max_output_tokens: notA('number'),
  temperature: notA('number'),
  top_p: notA('number'),
  presence_penalty: notA('number'),
  frequency_penalty: notA('number'),
  top_logprobs: notA('number'),
  text: notA('object'),
  reasoning: notA('object'),
  metadata: notA('object'),
  store: notA('boolean'),
  background: notA('boolean'),
  stream: notA('boolean'),
  stream_options: notA('object'),
  truncation: notA('string'),
  service_tier: notA('string'),
  safety_identifier: notA('string'),
  prompt_cache_key: notA('string'),
  user: notA('string'),
};

/** Values of the right type that are out of bounds. */
const OUT_OF_BOUNDS: Json[] = [
  { model: '' },
  { model: 'x'.repeat(300) },
  { temperature: 2.1 },
  { temperature: -0.1 },
  { top_p: 1.5 },
  { top_logprobs: 21 },
  { max_output_tokens: 1 },
  { max_tool_calls: 0 },
  { presence_penalty: 3 },
  { truncation: 'some' },
  { service_tier: 'gold' },
  { include: ['everything'] },
  { tool_choice: 'sometimes' },
  { tool_choice: { type: 'function', name: 'nobody' } },
  { tools: [{ type: 'web_search' }] },
  { tools: [{ type: 'function', name: 'no spaces' }] },
  {
    tools: [
      { type: 'function', name: 'a' },
      { type: 'function', name: 'a' },
    ],
  },
  { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, 'v'])) },
  { metadata: { k: 'x'.repeat(513) } },
  { previous_response_id: 'resp_none' },
  { conversation: 'conv_none' },
  { text: { format: { type: 'xml' } } },
  { text: { format: { type: 'json_schema', name: 'x' } } },
  { reasoning: { effort: 'extreme' } },
  { safety_identifier: 'x'.repeat(65) },
  { input: [] },
  { input: [{}] },
  { input: [null] },
  { input: [{ type: 'message', role: 'robot', content: 'x' }] },
  { input: [{ type: 'message', role: 'user', content: [{ type: 'input_audio' }] }] },
  { input: [{ type: 'computer_call' }] },
  { input: [{ type: 'function_call_output', call_id: 'c', output: 'x' }] },
  { input: [{ type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }] },
  { input: [{ type: 'item_reference', id: 'msg_none' }] },
  { input: [{ type: 'compaction', encrypted_content: 'bm90IG91cnM=' }] },
  { input: [{ role: 'user', content: [{ type: 'input_file', file_data: '!!!', filename: 'a.pdf' }] }] },
  { input: [{ role: 'user', content: [{ type: 'input_file', file_url: 'http://127.0.0.1:1/a.txt' }] }] },
];

const field = fc.constantFrom(...Object.keys(WRONG_TYPES));

const wrongType = field.chain((name) =>
  (WRONG_TYPES[name] ?? fc.constant(null)).map((value) => sent(`wrong type of ${name}`, { ...valid(), [name]: value })),
);
const outOfBounds = fc
  .constantFrom(...OUT_OF_BOUNDS)
  .map((change) => sent(`out of bounds: ${JSON.stringify(change).slice(0, 40)}`, { ...valid(), ...change }));
const unknownField = fc
  .tuple(fc.stringMatching(/^[a-z]{3,12}_unknown$/), fc.jsonValue({ maxDepth: 2 }))
  .map(([name, value]) => sent('unknown field', { ...valid(), [name]: value }));
const unknownDeep = fc.stringMatching(/^x_[a-z]{1,8}$/).map((name) =>
  sent('unknown field of an item', {
    ...valid(),
    input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'x', [name]: 1 }] }],
  }),
);
const truncatedText = fc
  .nat(JSON.stringify(valid()).length - 2)
  .map((length) => post('cut short', JSON.stringify(valid()).slice(0, length + 1)));
const noise = fc
  .uint8Array({ minLength: 1, maxLength: 200 })
  .map((bytes) => post('noise', Buffer.concat([Buffer.from([0x7b, 0xff]), Buffer.from(bytes)])));
const duplicated = field.map((name) =>
  post('duplicated key', `{"model":"demo","input":"Hello","${name}":null,"${name}":null}`),
);
const duplicatedDeep = fc.constantFrom(
  post('duplicated key', '{"model":"demo","input":"Hello","metadata":{"a":"1","a":"2"}}'),
  post('duplicated key', '{"model":"demo","input":"Hello","metadata":{"a":"1","\\u0061":"2"}}'),
  post('forbidden key', '{"model":"demo","input":"Hello","metadata":{"__proto__":"1"}}'),
  post('forbidden key', '{"model":"demo","input":"Hello","__proto__":{"store":false}}'),
);
const deep = fc.tuple(fc.integer({ min: 100, max: 20_000 }), fc.boolean()).map(([depth, objects]) => {
  const nested = objects ? `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}` : `${'['.repeat(depth)}${']'.repeat(depth)}`;
  return post('deep', `{"model":"demo","input":"Hello","metadata":${nested}}`);
});
const notAnObject = fc
  .constantFrom('null', '1', '"x"', '[]', '[{"model":"demo"}]', 'true', '')
  .map((text) => post('not an object', text));
const mediaType = fc
  .constantFrom('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'nonsense')
  .map((type) => post('media type', JSON.stringify(valid()), '/v1/responses', { 'content-type': type }));
const otherRoutes = fc.oneof(
  fc.constantFrom(
    sent('compact without a model', { input: 'Hello' }, '/v1/responses/compact'),
    sent('compact with tools', { ...valid(), tools: [] }, '/v1/responses/compact'),
    sent('tokens of nothing', {}, '/v1/responses/input_tokens'),
    sent('conversation of nonsense', { items: 'x' }, '/v1/conversations'),
    sent('conversation with too much', { items: Array.from({ length: 21 }, () => valid()) }, '/v1/conversations'),
    sent('items of nowhere', { items: [{ role: 'user', content: 'x' }] }, '/v1/conversations/conv_none/items'),
    sent('cancel of nothing', {}, '/v1/responses/resp_none/cancel'),
  ),
  fc
    .tuple(
      fc.constantFrom('GET', 'DELETE', 'PATCH' as const),
      fc.constantFrom(
        '/v1/responses/resp_none',
        '/v1/responses/%ff',
        `/v1/responses/${'x'.repeat(500)}`,
        `/v1/responses/resp_${'0'.repeat(32)}?stream=perhaps`,
        `/v1/responses/resp_${'0'.repeat(32)}?stream=true&starting_after=-1`,
        '/v1/conversations/conv_none',
        '/v1/models/none',
        '/v1/nowhere',
        '/v1/responses/a/b/c/d',
      ),
    )
    .map(([method, path]): Malformed => {
      return {
        kind: `${method} ${path.slice(0, 40)}`,
        method: method as Malformed['method'],
        path,
        headers: {},
        body: null,
      };
    }),
);

/** Small requests of every kind. */
export const malformed: fc.Arbitrary<Malformed> = fc.oneof(
  { weight: 6, arbitrary: wrongType },
  { weight: 6, arbitrary: outOfBounds },
  { weight: 2, arbitrary: unknownField },
  { weight: 2, arbitrary: unknownDeep },
  { weight: 2, arbitrary: truncatedText },
  { weight: 2, arbitrary: noise },
  { weight: 2, arbitrary: duplicated },
  { weight: 1, arbitrary: duplicatedDeep },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: notAnObject },
  { weight: 1, arbitrary: mediaType },
  { weight: 3, arbitrary: otherRoutes },
);

/** A request whose body is larger than `limit` bytes. */
export const oversized = (limit: number): Malformed => sent('oversized', { ...valid(), input: 'x'.repeat(limit) });

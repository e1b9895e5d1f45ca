/** The OpenAPI document of the API. Pure. */
import { ERRORS, type ErrorCode } from '@tailrace/protocol';
import { type HeaderName, OPERATIONS, type Operation } from './operations.ts';
import { pathParameters, queryParameters } from './parameters.ts';
import { type JsonSchema, namedSchemas, refTo } from './schemas.ts';

/** An OpenAPI document. */
export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, JsonSchema> } & Record<string, unknown>;
  [field: string]: unknown;
}

const INTRODUCTION = `The Open Responses API, served over any chat-completions model.

Point an OpenAI client at this server's \`/v1\` with a key of this server. The agent loop runs here: models, tools, the whole
history. A response survives the crash of any process, and its stream can be taken up again after any event, at any gateway.

A stream consists of Server-Sent Events. Each has a name (\`event\`), its number (\`id\`, and \`sequence_number\` in the data) and
its data; the numbers run 0, 1, 2 … without a gap. \`response.completed\`, \`response.failed\` or \`response.incomplete\` is the last
event, then comes \`data: [DONE]\`. Lines that begin with a colon keep the connection alive.

Every error has the shape of \`Error\`. These are its codes:`;

const EVERYWHERE: ErrorCode[] = [
  'missing_api_key',
  'invalid_api_key',
  'expired_api_key',
  'internal_error',
  'unavailable',
  'overloaded',
];
const WITH_BODY: ErrorCode[] = [
  'invalid_json',
  'invalid_value',
  'missing_required_parameter',
  'unknown_parameter',
  'request_too_large',
  'unsupported_media_type',
];

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'The request is not right',
  401: 'No key, or a wrong one',
  404: 'Not there, or somebody else’s',
  405: 'The path does not take this method',
  413: 'The body is too large',
  415: 'The body is of another type',
  422: 'The key of the request was used for another one',
  429: 'Too many requests',
  500: 'The server failed',
  502: 'The model server failed',
  503: 'The server cannot take the request now',
  504: 'The model server took too long',
};

const HEADERS: Readonly<Record<HeaderName, { description: string; schema: JsonSchema }>> = {
  'Idempotency-Key': {
    description:
      'The same key with the same body is the same request: it is carried out once, however often it is sent.',
    schema: { type: 'string', maxLength: 255 },
  },
  'Last-Event-ID': {
    description: 'The number of the last event that the client has seen. It says more than `starting_after`.',
    schema: { type: 'string', pattern: '^\\d{1,15}$' },
  },
  'tailrace-event-names': {
    description: 'With `openai`, reasoning is streamed under the names that OpenAI’s clients know.',
    schema: { type: 'string', enum: ['openai'] },
  },
};

/** The document; `version` is the server's own. */
export function openApiDocument(version: string): OpenApiDocument {
  const schemas = namedSchemas();
  const paths: OpenApiDocument['paths'] = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationObject(operation) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Tailrace', version, description: `${INTRODUCTION}\n\n${errorTable()}` },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    tags: [...new Set(OPERATIONS.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas,
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'A key of this server.' } },
    },
  };
}

function operationObject(operation: Operation): JsonSchema {
  const { id, tag, summary, description, body } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [...pathParameters(operation), ...queryParameters(operation), ...headerParameters(operation)],
    ...(body === undefined
      ? {}
      : { requestBody: { required: body.required, content: { 'application/json': { schema: refTo(body.schema) } } } }),
    responses: { ...answerObject(operation), ...errorAnswers(operation) },
  };
}

function headerParameters({ headers = [] }: Operation): JsonSchema[] {
  const known = headers.map((name) => ({ name, in: 'header', required: false, ...HEADERS[name] }));
  const requestId = {
    name: 'x-request-id',
    in: 'header',
    required: false,
    description: 'A name for the request, which comes back with the answer. Without one the server makes one.',
    schema: { type: 'string', pattern: '^[\\w.-]{1,128}$' },
  };
  return [...known, requestId];
}

function answerObject({ answer, streams }: Operation): JsonSchema {
  if (answer === null) return { 101: { description: 'The connection is a WebSocket now' } };
  const json = { 'application/json': { schema: refTo(answer) } };
  const stream = { 'text/event-stream': { schema: refTo(streams === true ? 'StreamEvent' : (streams ?? '')) } };
  return { 200: { description: 'Done', content: streams ? { ...json, ...stream } : json } };
}

function errorAnswers({ body, errors }: Operation): JsonSchema {
  const codes = [...new Set([...EVERYWHERE, ...(body ? WITH_BODY : []), ...errors])];
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, its]) => [
      status,
      {
        description: `${STATUS_TEXT[status] ?? 'Refused'}: ${its.map((code) => `\`${code}\``).join(', ')}`,
        ...(its.some((code) => ERRORS[code].status === 429 || ERRORS[code].status === 503)
          ? { headers: { 'Retry-After': { description: 'Seconds', schema: { type: 'string' } } } }
          : {}),
        content: { 'application/json': { schema: refTo('Error') } },
      },
    ]),
  );
}

function errorTable(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, type, message }]) => `| \`${code}\` | ${status} | \`${type}\` | ${message} |`,
  );
  return ['| code | status | type | message |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

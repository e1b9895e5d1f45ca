/**
 * The one catalogue of errors: code, HTTP status, type and message template. Requests that fail answer with the API's
 * envelope (`toEnvelope`); responses and steps that fail carry `{code, message}` of the same catalogue.
 */

type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'not_found_error'
  | 'server_error'
  | 'model_error'
  | 'tool_error'
  | 'too_many_requests';

interface Entry {
  status: number;
  type: ErrorType;
  /** `{name}` is replaced by the detail of that name. */
  message: string;
}

const entry = (status: number, type: ErrorType, message: string): Entry => ({ status, type, message });

/** Every error there is. Permanent conflicts are never 409: OpenAI's SDKs retry 408, 409, 429 and 5xx. */
export const ERRORS = {
  // The request
  invalid_json: entry(400, 'invalid_request_error', 'The body is not valid JSON: {reason}.'),
  invalid_value: entry(400, 'invalid_request_error', "Invalid value for '{param}': {reason}."),
  missing_required_parameter: entry(400, 'invalid_request_error', "Missing required parameter: '{param}'."),
  unknown_parameter: entry(400, 'invalid_request_error', "Unknown parameter: '{param}'."),
  unsupported_parameter: entry(400, 'invalid_request_error', "Unsupported parameter: '{param}': {reason}."),
  duplicate_tool_name: entry(400, 'invalid_request_error', "Two tools are named '{name}'."),
  tool_name_taken: entry(
    400,
    'invalid_request_error',
    "The tool name '{name}' belongs to a tool that this server runs.",
  ),
  previous_response_not_found: entry(400, 'invalid_request_error', "Previous response with id '{id}' not found."),
  previous_response_in_progress: entry(400, 'invalid_request_error', "Previous response '{id}' has not ended yet."),
  tool_output_missing: entry(400, 'invalid_request_error', 'No tool output found for function call {call_id}.'),
  unknown_call_id: entry(
    400,
    'invalid_request_error',
    'No tool call found for function call output with call_id {call_id}.',
  ),
  tool_choice_unknown: entry(
    400,
    'invalid_request_error',
    "Invalid value for 'tool_choice': there is no tool '{name}'.",
  ),
  approval_request_not_found: entry(
    400,
    'invalid_request_error',
    "No approval request with id '{id}' waits for an answer.",
  ),
  mcp_server_not_found: entry(400, 'invalid_request_error', "There is no MCP server '{label}' among the tools."),
  mutually_exclusive: entry(400, 'invalid_request_error', "'{param}' cannot be used together with '{other}'."),
  context_length_exceeded: entry(
    400,
    'invalid_request_error',
    'The input is {tokens} tokens long, and the context window of this model leaves room for {limit}.',
  ),
  item_not_found: entry(404, 'not_found_error', "Item with id '{id}' not found."),
  file_unreadable: entry(400, 'invalid_request_error', "The file '{filename}' cannot be given to the model: {reason}."),
  compaction_unreadable: entry(
    400,
    'invalid_request_error',
    'The compaction item was not made by this server for this key.',
  ),
  conversation_not_found: entry(404, 'not_found_error', "Conversation with id '{id}' not found."),
  conversation_locked: entry(
    400,
    'invalid_request_error',
    'Another response is being made in this conversation. Try again when it has ended.',
  ),
  conversation_item_exists: entry(400, 'invalid_request_error', "The conversation has an item with id '{id}' already."),
  request_too_large: entry(413, 'invalid_request_error', 'The body is larger than {limit} bytes.'),
  unsupported_media_type: entry(415, 'invalid_request_error', 'The body must be application/json.'),
  idempotency_key_reused: entry(
    422,
    'invalid_request_error',
    'This Idempotency-Key was used with another request body.',
  ),
  // Who asks, and for what
  missing_api_key: entry(401, 'authentication_error', 'No API key: send it as "Authorization: Bearer <key>".'),
  invalid_api_key: entry(401, 'authentication_error', 'Incorrect API key.'),
  expired_api_key: entry(401, 'authentication_error', 'This API key has expired.'),
  model_not_found: entry(
    404,
    'invalid_request_error',
    "The model '{model}' does not exist or you do not have access to it.",
  ),
  endpoint_not_served: entry(
    400,
    'invalid_request_error',
    "The model '{model}' cannot be used with {endpoint}: its servers do not speak chat completions. Use /v1/responses.",
  ),
  response_not_found: entry(404, 'not_found_error', "Response with id '{id}' not found."),
  method_not_allowed: entry(405, 'invalid_request_error', '{path} does not take {method}; it takes {allowed}.'),
  rate_limit_exceeded: entry(429, 'too_many_requests', 'Rate limit reached: {rule}. Try again in {seconds} s.'),
  websocket_connection_limit_reached: entry(
    400,
    'invalid_request_error',
    'The connection has been open for {minutes} minutes, which is the limit. Open a new one to go on.',
  ),
  route_not_found: entry(404, 'not_found_error', 'There is no {method} {path}.'),
  // What is administered
  entry_not_found: entry(404, 'not_found_error', "There is no {kind} named '{name}'."),
  entry_exists: entry(400, 'invalid_request_error', "There is a {kind} named '{name}' already."),
  entry_in_use: entry(400, 'invalid_request_error', "The {kind} '{name}' is used by {users}."),
  key_taken: entry(400, 'invalid_request_error', 'This secret is, or was, the secret of another key.'),
  // The server
  unavailable: entry(503, 'server_error', 'The server cannot take this request at the moment: {reason}. Try again.'),
  overloaded: entry(503, 'server_error', 'The server has as many open requests as it takes. Try again.'),
  internal_error: entry(500, 'server_error', 'The server failed while it processed the request.'),
  // A response
  upstream_error: entry(502, 'model_error', 'The model server answered {status}: {reason}'),
  upstream_unreachable: entry(502, 'model_error', 'The model server could not be reached: {reason}.'),
  upstream_cut: entry(502, 'model_error', 'The connection to the model server broke: {reason}.'),
  upstream_timeout: entry(504, 'model_error', 'The model server did not answer within {ms} ms.'),
  upstream_invalid: entry(502, 'model_error', 'The model server sent something that is not an answer: {reason}.'),
  upstream_too_large: entry(502, 'model_error', 'The answer of the model server is larger than {limit} bytes.'),
  upstream_busy: entry(503, 'model_error', 'Every server of the model has as many calls as it takes, for {ms} ms now.'),
  secret_unreadable: entry(500, 'server_error', "A secret of '{name}' cannot be opened by this server."),
  model_unavailable: entry(502, 'model_error', "The model '{model}' is not registered any more."),
  attempts_exhausted: entry(
    500,
    'server_error',
    'The step was begun {attempts} times and never came to an end, which is as often as is allowed.',
  ),
  deadline_exceeded: entry(
    500,
    'server_error',
    'The response did not come to an end within {seconds} s, which is the limit.',
  ),
  tool_interrupted: entry(
    502,
    'tool_error',
    'The call was interrupted. It may have taken effect, and is not made a second time.',
  ),
  dead_letter_not_found: entry(404, 'not_found_error', "Dead letter '{id}' not found."),
  response_cancelled: entry(500, 'server_error', 'The response was cancelled.'),
  max_iterations_exceeded: entry(
    500,
    'server_error',
    'The model was called {limit} times without coming to an end, which is the limit.',
  ),
  // A tool call: the model's to read
  tool_timeout: entry(504, 'tool_error', 'The tool did not answer within {ms} ms.'),
  tool_unreachable: entry(502, 'tool_error', 'The tool could not be reached: {reason}.'),
  tool_http_error: entry(502, 'tool_error', 'The tool answered {status}: {body}'),
  tool_output_too_large: entry(502, 'tool_error', 'The output of the tool is larger than {limit} bytes.'),
  tool_invalid_arguments: entry(400, 'tool_error', 'The arguments are not a JSON object: {reason}.'),
  tool_arguments_mismatch: entry(400, 'tool_error', 'The arguments do not match the schema of the tool: {reason}.'),
  tool_schema_unusable: entry(502, 'tool_error', "The schema of the tool's arguments cannot be used: {reason}."),
  tool_invalid_answer: entry(502, 'tool_error', 'The tool sent something that is not an answer: {reason}.'),
  tool_redirected: entry(502, 'tool_error', 'The tool redirects to somewhere else, which is not followed.'),
  tool_forbidden_address: entry(403, 'tool_error', 'The tool is not at an address that may be reached: {reason}.'),
  tool_circuit_open: entry(
    503,
    'tool_error',
    'This call was not made: the tool has failed {failures} times in a row, and is left alone for a while.',
  ),
  tool_failed: entry(502, 'tool_error', 'The tool failed: {text}'),
  tool_not_found: entry(404, 'tool_error', "There is no tool named '{name}'."),
  tool_unavailable: entry(502, 'tool_error', "The tool '{name}' is not registered any more."),
  max_tool_calls_exceeded: entry(
    400,
    'tool_error',
    'This call was not run: the request allows {limit} tool calls, and they are used up.',
  ),
  max_depth_exceeded: entry(
    400,
    'tool_error',
    'This call was not run: agents may call agents {limit} levels deep, and no deeper.',
  ),
  agent_incomplete: entry(502, 'tool_error', "The agent '{name}' was cut short: {reason}."),
  approval_denied: entry(400, 'tool_error', 'This call was not made: the user did not approve it ({reason}).'),
  approval_impossible: entry(
    400,
    'tool_error',
    "This call was not run: '{name}' needs the approval of a person, and an agent cannot ask for it.",
  ),
} as const satisfies Record<string, Entry>;

/** The code of an error of the catalogue. */
export type ErrorCode = keyof typeof ERRORS;

/** What a failed response or step carries. */
export interface ErrorInfo {
  code: ErrorCode;
  message: string;
}

/** The values that fill a message template. */
export type ErrorDetail = Record<string, string | number>;

/** The catalogue's error with its template filled. */
export function errorInfo(code: ErrorCode, detail: ErrorDetail = {}): ErrorInfo {
  const message = ERRORS[code].message.replace(/\{(\w+)\}/g, (_, name: string) => String(detail[name] ?? ''));
  return { code, message };
}

/** A request that is refused, or a step that fails: thrown where it is found, answered or recorded at the edge. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  /** Seconds after which the same request may succeed; sent as `Retry-After`. */
  readonly retryAfter: number | null;

  constructor(
    code: ErrorCode,
    detail: ErrorDetail = {},
    options: { param?: string; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(errorInfo(code, detail).message, { cause: options.cause });
    this.name = 'ApiError';
    this.code = code;
    this.param = options.param ?? null;
    this.retryAfter = options.retryAfter ?? (ERRORS[code].status === 503 || ERRORS[code].status === 429 ? 1 : null);
  }

  /** An error that another process has found. */
  static from(info: ErrorInfo, param: string | null): ApiError {
    const error = new ApiError(info.code, {}, param === null ? {} : { param });
    error.message = info.message;
    return error;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get info(): ErrorInfo {
    return { code: this.code, message: this.message };
  }
}

/** The body of an error answer. */
export interface ErrorEnvelope {
  error: { type: string; code: string; message: string; param: string | null };
}

/** The API's error envelope. */
export function toEnvelope(error: ApiError): ErrorEnvelope {
  return { error: errorPayload(error.info, error.param) };
}

/** An error as envelopes and `error` events show it. */
export function errorPayload({ code, message }: ErrorInfo, param: string | null): ErrorEnvelope['error'] {
  return { type: ERRORS[code].type, code, message, param };
}

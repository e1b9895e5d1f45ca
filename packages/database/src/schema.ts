/** The tables, as Kysely sees them. The SQL of `migrations/` is what they are. */
import type { AcceptedRequest } from '@tailrace/chain';
import type { ErrorInfo, KeptItem } from '@tailrace/protocol';
import type { ColumnType, Generated } from 'kysely';

/** A json column: read as a value, written as its text. */
export type Json<T> = ColumnType<T, string, string>;
type Time = ColumnType<Date, Date, Date>;

/** Table `responses`. */
export interface ResponsesTable {
  id: string;
  owner: string;
  status: 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';
  request: Json<AcceptedRequest>;
  body_hash: string | null;
  previous_response_id: string | null;
  error: Json<ErrorInfo> | null;
  incomplete_reason: 'max_output_tokens' | 'content_filter' | 'cancelled' | null;
  entries: number;
  /** bigint: the driver reads it as text. */
  next_event: ColumnType<string, number, number>;
  correlation_id: string;
  /** By the gateway's clock: for people to read. */
  created_at: Time;
  /** By the database's clock, set by itself: what is compared. */
  accepted_at: Generated<Date>;
  updated_at: Time;
  ended_at: Time | null;
  conversation_id: string | null;
  conversation_position: ColumnType<string | null, number | null, number | null>;
  purge_at: Time | null;
  key_name: string | null;
  /** Where tokens and the end have to be told; null when nothing limits it. */
  limit_scopes: string[] | null;
}

/** Table `conversations`. */
export interface ConversationsTable {
  id: string;
  owner: string;
  metadata: Json<Record<string, string>>;
  created_at: Time;
  /** bigint: the driver reads it as text. */
  next_position: ColumnType<string, number, number>;
  active_response_id: string | null;
}

/** Table `conversation_items`. */
export interface ConversationItemsTable {
  conversation_id: string;
  /** bigint: the driver reads it as text. */
  position: ColumnType<string, number, number>;
  id: string;
  item: Json<KeptItem>;
  created_at: Time;
}

/** Table `response_steps`. */
export interface ResponseStepsTable {
  response_id: string;
  id: string;
  parent_step_id: string | null;
  prev_step_id: string | null;
  kind: 'model_call' | 'tool_call';
  state: 'pending' | 'processing' | 'completed' | 'failed' | 'canceled';
  sequence: number;
  attempt: number;
  added_entry: number;
  ended_entry: number | null;
  request_payload: Json<unknown>;
  response_payload: Json<unknown> | null;
  error: Json<ErrorInfo> | null;
  created_at: Time;
  started_at: Time | null;
  completed_at: Time | null;
  failed_at: Time | null;
  canceled_at: Time | null;
  /** By the database's clock; of the call of an agent that is under way. */
  deadline: Time | null;
  /** By the database's clock; see `STEP_HOLD_MS`. */
  taken_at: Time | null;
  /** When the delivery that has it came to its worker, by that one's clock. */
  taken_by: Time | null;
}

/** Table `http_analytics`: each call of a model's upstream. */
export interface HttpAnalyticsTable {
  response_id: string;
  /** The call's own; `response_id` and `id` are the key. */
  id: string;
  /** Null for a call that is passed on as it is: it belongs to no response, and `response_id` is its own id. */
  response_step_id: string | null;
  attempt: number;
  /** Its place among the calls of the attempt, from 1. */
  call: number;
  /** Null when the response was gone before the call was booked. */
  owner: string | null;
  key_name: string | null;
  endpoint: 'responses' | 'chat.completions' | 'embeddings';
  model: string;
  upstream: string;
  upstream_model: string | null;
  /** Null when no status came; likewise the numbers that follow. */
  status: number | null;
  ttfb_ms: number | null;
  first_token_ms: number | null;
  duration_ms: number | null;
  /** `interrupted`: its worker died, and nothing more is known of it. */
  error_code: string | null;
  input_tokens: number | null;
  cached_tokens: number | null;
  output_tokens: number | null;
  reasoning_tokens: number | null;
  /** numeric: the driver reads it as text. */
  cost: ColumnType<string | null, number | null, number | null>;
  started_at: Time;
  recorded_at: Time;
}

/** Table `tool_call_analytics`: each call of a tool. Columns as in `http_analytics`. */
export interface ToolCallAnalyticsTable {
  response_id: string;
  id: string;
  response_step_id: string;
  attempt: number;
  call: number;
  owner: string | null;
  key_name: string | null;
  tool: string;
  status: number | null;
  duration_ms: number | null;
  error_code: string | null;
  started_at: Time;
  recorded_at: Time;
}

/** Table `registry_state`: one row. */
export interface RegistryStateTable {
  id: string;
  /** bigint: the driver reads it as text. */
  version: ColumnType<string, number, number>;
}

/** Table `registry_applied`. */
export interface RegistryAppliedTable {
  section: string;
  name: string;
  digest: string;
}

/** Table `registry_retired_keys`. */
export interface RegistryRetiredKeysTable {
  hash: string;
  name: string;
  retired_at: Time;
}

interface LimitColumns {
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrency: number | null;
}

/** Table `registry_keys`. */
export interface RegistryKeysTable extends LimitColumns {
  name: string;
  hash: string;
  previous_hash: string | null;
  previous_expires_at: Time | null;
  owner: string;
  groups: string[];
  expires_at: Time | null;
  from_file: boolean;
}

/** Table `registry_groups`. */
export interface RegistryGroupsTable extends LimitColumns {
  name: string;
  from_file: boolean;
}

/** Table `registry_models`. */
export interface RegistryModelsTable {
  name: string;
  groups: string[];
  concurrency: number;
  context_window: number | null;
  failover_statuses: number[];
  from_file: boolean;
}

/** Table `registry_upstreams`. */
export interface RegistryUpstreamsTable {
  model: string;
  position: number;
  base_url: string;
  api_key_sealed: string | null;
  upstream_model: string;
  dialect: 'chat' | 'responses';
  priority: number;
  weight: number;
  concurrency: number | null;
  connect_ms: number | null;
  first_token_ms: number | null;
  idle_ms: number | null;
  total_ms: number | null;
  input_price: number | null;
  cached_input_price: number | null;
  output_price: number | null;
}

/** Table `registry_tools`. Which columns are set depends on the kind; a CHECK holds them to it. */
export interface RegistryToolsTable {
  name: string;
  kind: 'http' | 'agent' | 'mcp';
  groups: string[];
  models: string[] | null;
  description: string | null;
  parameters: Json<Record<string, unknown>> | null;
  url: string | null;
  headers: Json<Record<string, { sealed: string }>>;
  timeout_ms: number;
  concurrency: number;
  calls_per_minute: number | null;
  idempotent: boolean;
  client_override: boolean;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | null;
  arguments_in: 'body' | 'query' | null;
  agent_model: string | null;
  instructions: string | null;
  agent_tools: string[] | null;
  max_iterations: number | null;
  max_tool_calls: number | null;
  allowed_tools: string[] | null;
  require_approval: Json<'always' | 'never' | { always: string[]; never: string[] }> | null;
  from_file: boolean;
}

/** Table `registry_webhooks`. */
export interface RegistryWebhooksTable {
  name: string;
  url: string;
  secret_sealed: string;
  events: string[];
  owners: string[] | null;
  from_file: boolean;
}

/** Table `webhook_deliveries`. */
export interface WebhookDeliveriesTable {
  id: string;
  response_id: string;
  owner: string;
  webhook: string;
  event_type: string;
  state: 'pending' | 'delivered' | 'failed';
  attempts: number;
  next_attempt_at: Time;
  last_status: number | null;
  last_error: string | null;
  created_at: Time;
  ended_at: Time | null;
}

/** Table `dead_letters`. */
export interface DeadLettersTable {
  id: string;
  response_id: string;
  step_id: string;
  owner: string;
  kind: 'model_call' | 'tool_call';
  source: string;
  attempts: number;
  created_at: Time;
  redriven_as: string | null;
}

/** Table `limit_buckets`: what is used of limits by the minute, as it was at a time; it drains away since then. */
export interface LimitBucketsTable {
  scope: string;
  requests_used: number;
  requests_at: Time;
  tokens_used: number;
  tokens_at: Time;
  tokens_per_minute: number | null;
}

/** Table `limit_leases`: what is under way. */
export interface LimitLeasesTable {
  scope: string;
  holder: string;
  expires_at: Time | null;
}

/** Table `installation`. */
export interface InstallationTable {
  name: string;
  value: string;
}

/** The whole database. */
export interface Tables {
  responses: ResponsesTable;
  response_steps: ResponseStepsTable;
  http_analytics: HttpAnalyticsTable;
  tool_call_analytics: ToolCallAnalyticsTable;
  registry_state: RegistryStateTable;
  registry_applied: RegistryAppliedTable;
  registry_retired_keys: RegistryRetiredKeysTable;
  registry_keys: RegistryKeysTable;
  registry_groups: RegistryGroupsTable;
  registry_models: RegistryModelsTable;
  registry_upstreams: RegistryUpstreamsTable;
  registry_tools: RegistryToolsTable;
  registry_webhooks: RegistryWebhooksTable;
  conversations: ConversationsTable;
  conversation_items: ConversationItemsTable;
  webhook_deliveries: WebhookDeliveriesTable;
  installation: InstallationTable;
  limit_buckets: LimitBucketsTable;
  limit_leases: LimitLeasesTable;
  dead_letters: DeadLettersTable;
}

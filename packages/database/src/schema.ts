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
}

/** Table `http_analytics`. */
export interface HttpAnalyticsTable {
  response_id: string;
  response_step_id: string;
  attempt: number;
  call: number;
  model: string;
  upstream: string;
  status: number | null;
  ttfb_ms: number | null;
  duration_ms: number;
  error_code: string | null;
  input_tokens: number | null;
  cached_tokens: number | null;
  output_tokens: number | null;
  reasoning_tokens: number | null;
  recorded_at: Time;
}

/** Table `tool_call_analytics`. */
export interface ToolCallAnalyticsTable {
  response_id: string;
  response_step_id: string;
  attempt: number;
  call: number;
  tool: string;
  status: number | null;
  duration_ms: number;
  error_code: string | null;
  recorded_at: Time;
}

/** Table `registry_keys`. */
export interface RegistryKeysTable {
  name: string;
  hash: string;
  owner: string;
  groups: string[];
}

/** Table `registry_models`. */
export interface RegistryModelsTable {
  name: string;
  groups: string[];
  concurrency: number;
  context_window: number | null;
}

/** Table `registry_upstreams`. */
export interface RegistryUpstreamsTable {
  model: string;
  position: number;
  base_url: string;
  api_key_sealed: string | null;
  api_key_hash: string | null;
  upstream_model: string;
  dialect: ColumnType<'chat' | 'responses', 'chat' | 'responses' | undefined>;
}

/** Table `registry_tools`. */
export interface RegistryToolsTable {
  name: string;
  kind: 'http';
  groups: string[];
  models: string[] | null;
  description: string | null;
  parameters: Json<Record<string, unknown>> | null;
  url: string;
  headers: Json<Record<string, { sealed: string; hash: string }>>;
  timeout_ms: number;
  concurrency: number;
  idempotent: boolean;
  client_override: ColumnType<boolean, boolean | undefined>;
}

/** Table `registry_webhooks`. */
export interface RegistryWebhooksTable {
  name: string;
  url: string;
  secret_sealed: string;
  secret_hash: string;
  events: string[];
  owners: string[] | null;
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
  registry_keys: RegistryKeysTable;
  registry_models: RegistryModelsTable;
  registry_upstreams: RegistryUpstreamsTable;
  registry_tools: RegistryToolsTable;
  registry_webhooks: RegistryWebhooksTable;
  conversations: ConversationsTable;
  conversation_items: ConversationItemsTable;
  webhook_deliveries: WebhookDeliveriesTable;
  installation: InstallationTable;
  dead_letters: DeadLettersTable;
}

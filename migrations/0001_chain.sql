-- The chain: the source of truth. Every key begins with the response, so the tables can be distributed as they stand.
-- Payloads are json, not jsonb: they are read whole, keep their key order, and may hold what jsonb cannot (\u0000).

CREATE TABLE responses (
  id uuid PRIMARY KEY,
  owner text NOT NULL,
  status text NOT NULL CHECK (status IN ('in_progress', 'completed', 'incomplete', 'failed', 'cancelled')),
  request json NOT NULL,
  body_hash text,
  previous_response_id uuid,
  error json,
  incomplete_reason text,
  -- Journal entries: transactions that changed the chain. The first created it.
  entries integer NOT NULL CHECK (entries >= 1),
  -- No event with this number or a higher one is known to have been published.
  next_event bigint NOT NULL CHECK (next_event >= 0),
  correlation_id text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  ended_at timestamptz,
  CHECK ((status = 'in_progress') = (ended_at IS NULL)),
  CHECK ((status = 'failed') = (error IS NOT NULL)),
  CHECK ((status = 'incomplete') = (incomplete_reason IS NOT NULL))
);

-- The sweep looks for live responses that nothing has happened to.
CREATE INDEX responses_live ON responses (updated_at) WHERE ended_at IS NULL;

CREATE TABLE response_steps (
  response_id uuid NOT NULL REFERENCES responses (id) ON DELETE CASCADE,
  id uuid NOT NULL,
  parent_step_id uuid,
  prev_step_id uuid,
  kind text NOT NULL CHECK (kind IN ('model_call', 'tool_call')),
  state text NOT NULL CHECK (state IN ('pending', 'processing', 'completed', 'failed', 'canceled')),
  sequence integer NOT NULL,
  attempt integer NOT NULL CHECK (attempt >= 1),
  added_entry integer NOT NULL,
  ended_entry integer,
  request_payload json NOT NULL,
  response_payload json,
  error json,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  completed_at timestamptz,
  failed_at timestamptz,
  canceled_at timestamptz,
  PRIMARY KEY (response_id, id),
  -- A transition that is run again after a crash cannot make a second successor.
  UNIQUE NULLS NOT DISTINCT (response_id, parent_step_id, prev_step_id),
  UNIQUE (response_id, sequence),
  CHECK ((state = 'completed') = (completed_at IS NOT NULL)),
  CHECK ((state = 'failed') = (failed_at IS NOT NULL AND error IS NOT NULL)),
  CHECK ((state = 'canceled') = (canceled_at IS NOT NULL)),
  CHECK (state <> 'completed' OR response_payload IS NOT NULL),
  CHECK (state <> 'processing' OR started_at IS NOT NULL),
  CHECK ((state IN ('completed', 'failed', 'canceled')) = (ended_entry IS NOT NULL))
);

-- Each upstream HTTP call, written in the transaction that records its step.
CREATE TABLE http_analytics (
  response_id uuid NOT NULL,
  response_step_id uuid NOT NULL,
  attempt integer NOT NULL,
  call integer NOT NULL,
  model text NOT NULL,
  upstream text NOT NULL,
  status integer,
  ttfb_ms integer,
  duration_ms integer NOT NULL,
  error_code text,
  input_tokens integer,
  cached_tokens integer,
  output_tokens integer,
  reasoning_tokens integer,
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (response_id, response_step_id, attempt, call)
);

-- Each HTTP call of a tool, likewise.
CREATE TABLE tool_call_analytics (
  response_id uuid NOT NULL,
  response_step_id uuid NOT NULL,
  attempt integer NOT NULL,
  call integer NOT NULL,
  tool text NOT NULL,
  status integer,
  duration_ms integer NOT NULL,
  error_code text,
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (response_id, response_step_id, attempt, call)
);

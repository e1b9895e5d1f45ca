-- A call has an id of its own, which its worker gives it before it is made: attempts that overlap cannot take each other's
-- place, and a call whose worker died is booked by the note that it left.

ALTER TABLE http_analytics
  ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
  ADD COLUMN owner text,
  ADD COLUMN key_name text,
  -- What the client has asked: the responses API, or a call that is passed on as it is.
  ADD COLUMN endpoint text NOT NULL DEFAULT 'responses'
    CHECK (endpoint IN ('responses', 'chat.completions', 'embeddings')),
  -- The upstream's own name of the model.
  ADD COLUMN upstream_model text,
  ADD COLUMN first_token_ms integer,
  -- In the operator's currency. Prices are per million tokens: six decimals of a price are exact here.
  ADD COLUMN cost numeric(24, 12),
  ADD COLUMN started_at timestamptz,
  -- Not known of a call whose worker died.
  ALTER COLUMN duration_ms DROP NOT NULL,
  DROP CONSTRAINT http_analytics_pkey,
  ADD PRIMARY KEY (response_id, id);

ALTER TABLE tool_call_analytics
  ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
  ADD COLUMN owner text,
  ADD COLUMN key_name text,
  ADD COLUMN started_at timestamptz,
  ALTER COLUMN duration_ms DROP NOT NULL,
  DROP CONSTRAINT tool_call_analytics_pkey,
  ADD PRIMARY KEY (response_id, id);

-- A call that is passed on belongs to no step, and response_id is its own id.
ALTER TABLE http_analytics ALTER COLUMN response_step_id DROP NOT NULL;

UPDATE http_analytics AS call
SET started_at = call.recorded_at - call.duration_ms * interval '1 millisecond',
  owner = (SELECT responses.owner FROM responses WHERE responses.id = call.response_id);
UPDATE tool_call_analytics AS call
SET started_at = call.recorded_at - call.duration_ms * interval '1 millisecond',
  owner = (SELECT responses.owner FROM responses WHERE responses.id = call.response_id);

ALTER TABLE http_analytics
  ALTER COLUMN id DROP DEFAULT,
  ALTER COLUMN endpoint DROP DEFAULT,
  ALTER COLUMN started_at SET NOT NULL;
ALTER TABLE tool_call_analytics
  ALTER COLUMN id DROP DEFAULT,
  ALTER COLUMN started_at SET NOT NULL;

-- Every question about usage and latencies is about a span of time, often of one key; and the oldest rows are removed.
CREATE INDEX http_analytics_started ON http_analytics (started_at);
CREATE INDEX http_analytics_key ON http_analytics (key_name, started_at);
CREATE INDEX tool_call_analytics_started ON tool_call_analytics (started_at);
CREATE INDEX tool_call_analytics_key ON tool_call_analytics (key_name, started_at);

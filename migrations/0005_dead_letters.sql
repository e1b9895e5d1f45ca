-- Steps that were handed out as often as is allowed, and never came to an end.
CREATE TABLE dead_letters (
  id uuid PRIMARY KEY,
  response_id uuid NOT NULL,
  step_id uuid NOT NULL,
  owner text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('model_call', 'tool_call')),
  -- The model's or the tool's name.
  source text NOT NULL,
  attempts integer NOT NULL,
  created_at timestamptz NOT NULL,
  -- The response that does it again, when somebody has asked for that.
  redriven_as uuid,
  UNIQUE (response_id, step_id)
);

-- Conversations, responses that are not kept, webhooks, and items that are found by their ids.

CREATE TABLE conversations (
  id uuid PRIMARY KEY,
  owner text NOT NULL,
  metadata json NOT NULL,
  created_at timestamptz NOT NULL,
  -- The next item stands here; positions are never given twice.
  next_position bigint NOT NULL CHECK (next_position >= 0),
  -- One response at a time: the one that is being made.
  active_response_id uuid
);

CREATE TABLE conversation_items (
  conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  position bigint NOT NULL,
  id text NOT NULL,
  item json NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (conversation_id, position),
  UNIQUE (conversation_id, id)
);

ALTER TABLE responses
  ADD COLUMN conversation_id uuid,
  ADD COLUMN conversation_position bigint,
  -- When the response is removed: set as it ends.
  ADD COLUMN purge_at timestamptz,
  ADD CHECK ((conversation_id IS NULL) = (conversation_position IS NULL));

-- The janitor looks for responses whose time has come.
CREATE INDEX responses_purge ON responses (purge_at) WHERE purge_at IS NOT NULL;

-- An item is referred to by its id, which names the step that made it.
CREATE INDEX response_steps_id ON response_steps (id);

-- Where the ends of background responses are told. Secrets are sealed with the installation's key.
CREATE TABLE registry_webhooks (
  name text PRIMARY KEY,
  url text NOT NULL,
  secret_sealed text NOT NULL,
  secret_hash text NOT NULL,
  events text[] NOT NULL,
  -- Whose responses are told; null for everybody's.
  owners text[]
);

-- One row for each event and webhook, written in the transaction that ends the response: the queue and the delivery log.
CREATE TABLE webhook_deliveries (
  id uuid PRIMARY KEY,
  response_id uuid NOT NULL,
  owner text NOT NULL,
  webhook text NOT NULL,
  event_type text NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts integer NOT NULL CHECK (attempts >= 0),
  -- Not before this; moved on as a sender takes the row, so that two never send at once.
  next_attempt_at timestamptz NOT NULL,
  last_status integer,
  last_error text,
  created_at timestamptz NOT NULL,
  ended_at timestamptz,
  CHECK ((state = 'pending') = (ended_at IS NULL))
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_response ON webhook_deliveries (response_id);
CREATE INDEX webhook_deliveries_owner ON webhook_deliveries (owner, id);

-- Tokens that fit into one request and its answer.
ALTER TABLE registry_models ADD COLUMN context_window integer CHECK (context_window >= 1);
-- The API that an upstream speaks.
ALTER TABLE registry_upstreams ADD COLUMN dialect text NOT NULL DEFAULT 'chat' CHECK (dialect IN ('chat', 'responses'));
-- Whether a client may define a function of the same name, which is then the client's to run.
ALTER TABLE registry_tools ADD COLUMN client_override boolean NOT NULL DEFAULT false;

-- An item of a conversation is referred to by its id alone.
CREATE INDEX conversation_items_id ON conversation_items (id);

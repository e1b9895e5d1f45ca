-- What keys and groups have used up of their limits, in all processes together.

-- A bucket is full when nothing is used; what is used drains away at its rate. One row for each key or group with a limit;
-- one that is not there is full.
CREATE TABLE limit_buckets (
  -- key:<name> or group:<name>.
  scope text PRIMARY KEY,
  requests_used double precision NOT NULL DEFAULT 0 CHECK (requests_used >= 0),
  requests_at timestamptz NOT NULL DEFAULT now(),
  -- May be more than the bucket holds: what a call takes is known only when it is over.
  tokens_used double precision NOT NULL DEFAULT 0 CHECK (tokens_used >= 0),
  tokens_at timestamptz NOT NULL DEFAULT now(),
  -- The rate that tokens drain at: what the last request came with. Null when they are not counted.
  tokens_per_minute integer CHECK (tokens_per_minute >= 1)
) WITH (fillfactor = 50);

-- What is under way. Of a relayed call also where only its tokens are counted, so that its end finds what to charge.
CREATE TABLE limit_leases (
  scope text NOT NULL,
  -- A response, or a relayed call.
  holder uuid NOT NULL,
  -- Null for a response, which is known to be over when it has ended.
  expires_at timestamptz,
  PRIMARY KEY (scope, holder)
);

CREATE INDEX limit_leases_holder ON limit_leases (holder);
CREATE INDEX limit_leases_expired ON limit_leases (expires_at) WHERE expires_at IS NOT NULL;

ALTER TABLE responses
  -- Null for what was made before keys were noted.
  ADD COLUMN key_name text,
  -- Where tokens and the end of the response have to be told; null when nothing limits it.
  ADD COLUMN limit_scopes text[];

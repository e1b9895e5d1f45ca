-- What a team administers: limits, rotation and expiry of keys, groups, routing of models, agents, MCP servers.

-- One row: counts the changes of the registry, so that of two snapshots the newer one is known. Every change locks it.
CREATE TABLE registry_state (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  version bigint NOT NULL DEFAULT 0,
  one boolean NOT NULL DEFAULT true UNIQUE CHECK (one)
);
INSERT INTO registry_state DEFAULT VALUES;

-- What a configuration file said of an entry when it was last applied, as a keyed hash. Until it says something else, what
-- was changed through the API since then stays.
CREATE TABLE registry_applied (
  section text NOT NULL,
  name text NOT NULL,
  digest text NOT NULL,
  PRIMARY KEY (section, name)
);

-- Keys that were revoked, or replaced by a rotation. No file brings them back.
CREATE TABLE registry_retired_keys (
  hash text PRIMARY KEY,
  name text NOT NULL,
  retired_at timestamptz NOT NULL
);

-- Before this there were only files.
ALTER TABLE registry_keys
  ADD COLUMN previous_hash text,
  ADD COLUMN previous_expires_at timestamptz,
  ADD COLUMN expires_at timestamptz,
  ADD COLUMN requests_per_minute integer CHECK (requests_per_minute >= 1),
  ADD COLUMN tokens_per_minute integer CHECK (tokens_per_minute >= 1),
  ADD COLUMN concurrency integer CHECK (concurrency >= 1),
  ADD COLUMN from_file boolean NOT NULL DEFAULT true,
  ADD CHECK ((previous_hash IS NULL) = (previous_expires_at IS NULL));
ALTER TABLE registry_keys ALTER COLUMN from_file DROP DEFAULT;

CREATE TABLE registry_groups (
  name text PRIMARY KEY,
  requests_per_minute integer CHECK (requests_per_minute >= 1),
  tokens_per_minute integer CHECK (tokens_per_minute >= 1),
  concurrency integer CHECK (concurrency >= 1),
  from_file boolean NOT NULL
);

ALTER TABLE registry_models
  ADD COLUMN failover_statuses integer[] NOT NULL DEFAULT '{408,409,425,429,500,502,503,504,529}',
  ADD COLUMN from_file boolean NOT NULL DEFAULT true;
ALTER TABLE registry_models ALTER COLUMN failover_statuses DROP DEFAULT, ALTER COLUMN from_file DROP DEFAULT;

-- A secret is told from another by opening it; a hash would help somebody who guesses.
ALTER TABLE registry_upstreams
  DROP COLUMN api_key_hash,
  ADD COLUMN priority integer NOT NULL DEFAULT 0 CHECK (priority >= 0),
  ADD COLUMN weight integer NOT NULL DEFAULT 1 CHECK (weight >= 1),
  ADD COLUMN concurrency integer CHECK (concurrency >= 1),
  ADD COLUMN connect_ms integer CHECK (connect_ms >= 1),
  ADD COLUMN first_token_ms integer CHECK (first_token_ms >= 1),
  ADD COLUMN idle_ms integer CHECK (idle_ms >= 1),
  ADD COLUMN total_ms integer CHECK (total_ms >= 1),
  -- For a million tokens.
  ADD COLUMN input_price double precision CHECK (input_price >= 0),
  ADD COLUMN cached_input_price double precision CHECK (cached_input_price >= 0),
  ADD COLUMN output_price double precision CHECK (output_price >= 0),
  ADD CHECK ((input_price IS NULL) = (output_price IS NULL) AND (input_price IS NULL) = (cached_input_price IS NULL));
ALTER TABLE registry_upstreams
  ALTER COLUMN dialect DROP DEFAULT, ALTER COLUMN priority DROP DEFAULT, ALTER COLUMN weight DROP DEFAULT;

ALTER TABLE registry_tools
  DROP CONSTRAINT registry_tools_kind_check,
  ALTER COLUMN url DROP NOT NULL,
  ADD COLUMN calls_per_minute integer CHECK (calls_per_minute >= 1),
  ADD COLUMN method text,
  ADD COLUMN arguments_in text CHECK (arguments_in IN ('body', 'query')),
  ADD COLUMN agent_model text,
  ADD COLUMN instructions text,
  ADD COLUMN agent_tools text[],
  ADD COLUMN max_iterations integer CHECK (max_iterations >= 1),
  ADD COLUMN max_tool_calls integer CHECK (max_tool_calls >= 0),
  ADD COLUMN allowed_tools text[],
  ADD COLUMN require_approval json,
  ADD COLUMN from_file boolean NOT NULL DEFAULT true;
UPDATE registry_tools SET
  method = 'POST',
  arguments_in = 'body',
  -- {name: {sealed}}
  headers = coalesce(
    (SELECT json_object_agg(key, json_build_object('sealed', value -> 'sealed')) FROM json_each(headers)),
    '{}'
  );
ALTER TABLE registry_tools
  ALTER COLUMN client_override DROP DEFAULT,
  ALTER COLUMN from_file DROP DEFAULT,
  ADD CHECK (
    CASE kind
      WHEN 'http' THEN url IS NOT NULL AND method IS NOT NULL AND arguments_in IS NOT NULL
      WHEN 'agent' THEN agent_model IS NOT NULL AND agent_tools IS NOT NULL
      WHEN 'mcp' THEN url IS NOT NULL AND require_approval IS NOT NULL
      ELSE false
    END
  );

ALTER TABLE registry_webhooks DROP COLUMN secret_hash, ADD COLUMN from_file boolean NOT NULL DEFAULT true;
ALTER TABLE registry_webhooks ALTER COLUMN from_file DROP DEFAULT;

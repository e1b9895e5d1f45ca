-- The registry: what may be used, by whom, and where it is. Secrets are sealed with the installation's key.

CREATE TABLE registry_keys (
  name text PRIMARY KEY,
  -- SHA-256 of the key, in hexadecimal; the key itself is nowhere.
  hash text NOT NULL UNIQUE,
  owner text NOT NULL,
  groups text[] NOT NULL
);

CREATE TABLE registry_models (
  name text PRIMARY KEY,
  groups text[] NOT NULL,
  concurrency integer NOT NULL CHECK (concurrency >= 1)
);

CREATE TABLE registry_upstreams (
  model text NOT NULL REFERENCES registry_models (name) ON DELETE CASCADE,
  position integer NOT NULL,
  base_url text NOT NULL,
  api_key_sealed text,
  -- SHA-256 of the secret, so that applying the same configuration again changes nothing.
  api_key_hash text,
  upstream_model text NOT NULL,
  PRIMARY KEY (model, position)
);

CREATE TABLE registry_tools (
  name text PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('http')),
  groups text[] NOT NULL,
  models text[],
  description text,
  parameters json,
  url text NOT NULL,
  -- {name: {sealed, hash}}
  headers json NOT NULL,
  timeout_ms integer NOT NULL CHECK (timeout_ms >= 1),
  concurrency integer NOT NULL CHECK (concurrency >= 1),
  idempotent boolean NOT NULL
);

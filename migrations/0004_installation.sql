-- What an installation remembers of itself beside its responses.
CREATE TABLE installation (
  name text PRIMARY KEY,
  value text NOT NULL
);

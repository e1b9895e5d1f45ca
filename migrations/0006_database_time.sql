-- What is compared among processes is told by one clock, the database's: created_at is told by the gateway that was asked.
ALTER TABLE responses ADD COLUMN accepted_at timestamptz NOT NULL DEFAULT now();

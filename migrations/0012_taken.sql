-- When an attempt was last told that the step is its own, by the database's clock: for a short while no other one is told so.
-- It is known by when it came to its worker, by that one's clock, since a server that was killed may count deliveries anew.
ALTER TABLE response_steps ADD COLUMN taken_at timestamptz, ADD COLUMN taken_by timestamptz;

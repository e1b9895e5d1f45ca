-- When an attempt was last told that the step is its own, by the database's clock: for a short while no later one is told so.
ALTER TABLE response_steps ADD COLUMN taken_at timestamptz;

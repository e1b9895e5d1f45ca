-- What has to happen at a time, or once, and is looked for.

-- When an agent has to come to an end, by the database's clock; of its call alone, and null when that has ended. While an
-- orchestrator breaks the agent off it is the time at which another one takes that over.
ALTER TABLE response_steps ADD COLUMN deadline timestamptz;
CREATE INDEX response_steps_deadline ON response_steps (deadline) WHERE deadline IS NOT NULL;

-- Each response that has ended is looked at once more, in this order, to see whether its log has its end.
CREATE INDEX responses_ended ON responses (updated_at, id) WHERE ended_at IS NOT NULL;

-- Whether a response that is removed belongs to the history of one that is live.
CREATE INDEX responses_turns ON responses (previous_response_id) WHERE previous_response_id IS NOT NULL;

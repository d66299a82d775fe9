-- Whether a day of a target has chains.
SELECT 1 FROM poll_chain WHERE target = :target AND day_ms = :day_ms LIMIT 1;

-- Deletes the chains of a day of a target.
DELETE FROM poll_chain WHERE target = :target AND day_ms = :day_ms;

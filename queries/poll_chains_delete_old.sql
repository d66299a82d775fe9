-- Deletes the chains of a target's days before a cutoff.
DELETE FROM poll_chain WHERE target = :target AND day_ms < :cutoff_ms;

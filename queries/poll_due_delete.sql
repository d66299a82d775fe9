-- The ticks of a day of a target are chains.
DELETE FROM poll_due WHERE target = :target AND day_ms = :day_ms;

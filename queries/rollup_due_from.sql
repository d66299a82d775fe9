-- The days of an entity that are to be rolled up, from one on.
SELECT day_ms FROM rollup_due WHERE entity = :entity AND day_ms >= :from_ms ORDER BY day_ms;

-- The days of an entity that are to be rolled up, of [from, until).
SELECT day_ms FROM rollup_due WHERE entity = :entity AND day_ms >= :from_ms AND day_ms < :until_ms ORDER BY day_ms;

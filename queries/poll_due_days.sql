-- The days of a target whose ticks are to become chains, of [from, until).
SELECT day_ms FROM poll_due WHERE target = :target AND day_ms >= :from_ms AND day_ms < :until_ms ORDER BY day_ms;

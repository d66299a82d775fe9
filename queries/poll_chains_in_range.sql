-- The chains of a target's days of [from, until), in order.
SELECT day_ms, outcome, started_first_ms, seen_until_first_ms, interval_first_ms, started_last_ms, seen_until_last_ms,
    interval_last_ms
FROM poll_chain
WHERE target = :target AND day_ms >= :from_ms AND day_ms < :until_ms
ORDER BY day_ms, turn;

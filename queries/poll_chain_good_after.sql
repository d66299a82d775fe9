-- The oldest chain of good ticks of a target's days from a day on.
SELECT day_ms, outcome, started_first_ms, seen_until_first_ms, interval_first_ms, started_last_ms, seen_until_last_ms,
    interval_last_ms
FROM poll_chain
WHERE target = :target AND day_ms >= :from_ms AND outcome IN ('ok', 'partial')
ORDER BY day_ms, turn
LIMIT 1;

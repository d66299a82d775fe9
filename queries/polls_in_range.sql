-- The polls of a target that started in [from, until), oldest first.
SELECT started_ms, duration_ms, interval_ms, bytes, outcome, error, missing, clock_offset_ms, seen_until_ms, samples
FROM poll
WHERE target = :target AND started_ms >= :from_ms AND started_ms < :until_ms
ORDER BY started_ms, id;

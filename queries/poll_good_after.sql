-- The oldest good poll of a target that started at an instant or later.
SELECT started_ms, duration_ms, interval_ms, bytes, outcome, error, missing, clock_offset_ms, seen_until_ms, samples
FROM poll
WHERE target = :target AND outcome IN ('ok', 'partial') AND started_ms >= :from_ms
ORDER BY started_ms, id
LIMIT 1;

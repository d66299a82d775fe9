-- The newest good poll of a target that started before an instant.
SELECT started_ms, duration_ms, interval_ms, bytes, outcome, error, missing, clock_offset_ms, seen_until_ms, samples
FROM poll
WHERE target = :target AND outcome IN ('ok', 'partial') AND started_ms < :before_ms
ORDER BY started_ms DESC, id DESC
LIMIT 1;

-- The newest poll of a target that was neither good, skipped nor dropped.
SELECT started_ms, duration_ms, interval_ms, bytes, outcome, error, missing, clock_offset_ms, seen_until_ms, samples
FROM poll
WHERE target = :target AND outcome NOT IN ('ok', 'partial', 'skipped', 'dropped')
ORDER BY started_ms DESC, id DESC
LIMIT 1;

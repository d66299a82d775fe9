-- The polls of a target that have rows before an instant, by the oldest of them.
SELECT id, interval_ms, clock_offset_ms
FROM poll INDEXED BY poll_sampled
WHERE target = :target AND at_min_ms IS NOT NULL AND at_min_ms < :until_ms
ORDER BY at_min_ms;

-- The good polls of a target that started in [from, until], oldest first, as an import joins samples to them.
SELECT id, started_ms, seen_until_ms, interval_ms, clock_offset_ms, at_max_ms
FROM poll
WHERE target = :target AND outcome IN ('ok', 'partial') AND started_ms >= :from_ms AND started_ms <= :until_ms
ORDER BY started_ms, id;

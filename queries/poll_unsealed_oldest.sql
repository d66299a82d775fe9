-- The oldest time of a target's samples that are not in blocks yet.
SELECT at_min_ms
FROM poll INDEXED BY poll_sampled
WHERE target = :target AND at_min_ms IS NOT NULL
ORDER BY at_min_ms
LIMIT 1;

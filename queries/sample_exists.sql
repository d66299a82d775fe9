-- Whether an entity has a sample of an instant, in the polls whose samples begin in [oldest, at].
SELECT 1
FROM poll AS p INDEXED BY poll_sampled
CROSS JOIN {table} AS s ON s.poll = p.id AND s.entity = :entity
WHERE p.target = :target
    AND p.at_min_ms IS NOT NULL AND p.at_min_ms >= :oldest_ms AND p.at_min_ms <= :at_ms
    AND s.at_ms = :at_ms
LIMIT 1;

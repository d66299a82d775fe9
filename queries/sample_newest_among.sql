-- The newest of an entity's samples before an instant, from all polls whose samples begin in [oldest, newest].
SELECT s.at_ms, p.id, p.at_min_ms
FROM poll AS p INDEXED BY poll_sampled
CROSS JOIN {table} AS s ON s.poll = p.id AND s.entity = :entity
WHERE p.target = :target
    AND p.at_min_ms IS NOT NULL AND p.at_min_ms >= :oldest_ms AND p.at_min_ms <= :newest_ms
    AND s.at_ms < :before_ms
ORDER BY s.at_ms DESC
LIMIT 1;

-- Whether an entity has a sample of an instant, in polls whose samples begin before `oldest` and lie far apart.
SELECT 1
FROM poll AS p INDEXED BY poll_sampled_wide
CROSS JOIN {table} AS s ON s.poll = p.id AND s.entity = :entity
WHERE p.target = :target
    AND p.at_max_ms - p.at_min_ms > 60000 AND p.at_min_ms < :oldest_ms AND p.at_max_ms >= :at_ms
    AND s.at_ms = :at_ms
LIMIT 1;

-- The pieces that may hold an entity's samples, of the polls whose samples begin in [oldest, newest], newest first.
SELECT p.id, p.interval_ms, p.clock_offset_ms, p.at_min_ms, j.layout, j.body
FROM poll AS p INDEXED BY poll_sampled
CROSS JOIN journal AS j ON j.id = (
    SELECT id
    FROM journal
    WHERE poll = p.id AND kind = :kind AND entity_max >= :entity
    ORDER BY entity_max
    LIMIT 1
)
WHERE p.target = :target AND p.at_min_ms IS NOT NULL AND p.at_min_ms >= :oldest_ms AND p.at_min_ms <= :newest_ms
ORDER BY p.at_min_ms DESC;

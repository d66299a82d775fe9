-- The pieces that may hold an entity's samples of [from, until), of polls whose samples begin before `oldest` and lie far
-- apart.
SELECT p.id, p.interval_ms, p.clock_offset_ms, p.at_min_ms, j.layout, j.body
FROM poll AS p INDEXED BY poll_sampled_wide
CROSS JOIN journal AS j ON j.id = (
    SELECT id
    FROM journal
    WHERE poll = p.id AND kind = :kind AND entity_max >= :entity
    ORDER BY entity_max
    LIMIT 1
)
WHERE p.target = :target
    AND p.at_max_ms - p.at_min_ms > 60000 AND p.at_min_ms < :oldest_ms AND p.at_min_ms < :until_ms
    AND p.at_max_ms >= :from_ms;

-- The pieces, without their bodies, that may hold samples of entities from one to another, of the polls whose samples begin in
-- [oldest, newest], oldest first.
SELECT p.id, p.interval_ms, p.clock_offset_ms, p.at_min_ms, p.at_max_ms, j.entity_min, j.entity_max, j.id
FROM poll AS p INDEXED BY poll_sampled
CROSS JOIN journal AS j INDEXED BY journal_place ON j.poll = p.id AND j.kind = :kind
    AND j.entity_max >= :entity_first
    AND j.entity_max <= coalesce(
        (
            SELECT last.entity_max
            FROM journal AS last
            WHERE last.poll = p.id AND last.kind = :kind AND last.entity_max >= :entity_last
            ORDER BY last.entity_max
            LIMIT 1
        ),
        :entity_last
    )
WHERE p.target = :target AND p.at_min_ms IS NOT NULL AND p.at_min_ms >= :oldest_ms AND p.at_min_ms <= :newest_ms
ORDER BY p.at_min_ms;

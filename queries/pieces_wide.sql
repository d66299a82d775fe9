-- The pieces, without their bodies, that may hold samples of [from, until) of entities from one to another, of polls whose samples begin before
-- `oldest` and lie far apart.
SELECT p.id, p.interval_ms, p.clock_offset_ms, p.at_min_ms, p.at_max_ms, j.entity_min, j.entity_max, j.id
FROM poll AS p INDEXED BY poll_sampled_wide
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
WHERE p.target = :target
    AND p.at_max_ms - p.at_min_ms > 60000 AND p.at_min_ms < :oldest_ms AND p.at_min_ms < :until_ms
    AND p.at_max_ms >= :from_ms;

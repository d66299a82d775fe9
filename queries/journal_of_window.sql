-- The pieces of a kind that hold samples of entities up to one, of a target's polls that begin before an instant.
SELECT j.id, p.id, p.interval_ms, p.clock_offset_ms, j.entity_max, j.layout, j.body
FROM poll AS p INDEXED BY poll_sampled
CROSS JOIN journal AS j INDEXED BY journal_place ON j.poll = p.id AND j.kind = :kind AND j.entity_min <= :entity_last
WHERE p.target = :target AND p.at_min_ms IS NOT NULL AND p.at_min_ms < :until_ms
ORDER BY p.at_min_ms, p.interval_ms, p.clock_offset_ms, p.id, j.entity_max;

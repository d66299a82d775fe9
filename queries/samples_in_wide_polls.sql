-- An entity's samples in [from, until) from polls whose samples begin before `oldest` and lie far apart.
SELECT s.at_ms, s.since_ms, p.interval_ms, p.clock_offset_ms, p.id{selected}
FROM poll AS p INDEXED BY poll_sampled_wide
CROSS JOIN {table} AS s ON s.poll = p.id AND s.entity = :entity
WHERE p.target = :target
    AND p.at_max_ms - p.at_min_ms > 60000 AND p.at_min_ms < :oldest_ms AND p.at_max_ms >= :from_ms
    AND s.at_ms >= :from_ms AND s.at_ms < :until_ms;

-- An entity's samples in [from, until), in the order of the polls' oldest samples. Looks at the polls whose samples
-- begin in [oldest, until); those that reach further are another question.
SELECT s.at_ms, s.since_ms, p.interval_ms, p.clock_offset_ms, p.id{selected}
FROM poll AS p INDEXED BY poll_sampled
CROSS JOIN {table} AS s ON s.poll = p.id AND s.entity = :entity
WHERE p.target = :target
    AND p.at_min_ms IS NOT NULL AND p.at_min_ms >= :oldest_ms AND p.at_min_ms < :until_ms
    AND s.at_ms >= :from_ms AND s.at_ms < :until_ms
ORDER BY p.at_min_ms;

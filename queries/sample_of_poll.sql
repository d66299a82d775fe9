-- An entity's sample that a poll took.
SELECT s.at_ms, s.since_ms, p.interval_ms, p.clock_offset_ms, p.id{selected}
FROM poll AS p
CROSS JOIN {table} AS s ON s.poll = p.id AND s.entity = :entity
WHERE p.id = :poll;

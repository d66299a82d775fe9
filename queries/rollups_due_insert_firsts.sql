-- The first samples of a target's entities, where they were rolled up, are to be rolled up again: those after an instant.
-- plan: scan (one row for each of two days; entities without an index by target, for a poll that comes late, which is rare)
INSERT OR IGNORE INTO rollup_due (entity, day_ms, ready_ms)
SELECT first.entity, first.day_ms - ago.days * 86400000, first.day_ms + (1 - ago.days) * 86400000
FROM (
    SELECT rollup.entity, rollup.first_ms - (rollup.first_ms % 86400000 + 86400000) % 86400000 AS day_ms
    FROM sighting
    JOIN rollup ON rollup.id = (SELECT min(id) FROM rollup AS any_of WHERE any_of.entity = sighting.entity)
    WHERE sighting.target = :target AND rollup.before_ms IS NULL AND rollup.first_ms > :after_ms
) AS first
JOIN (SELECT 0 AS days UNION ALL SELECT 1) AS ago;

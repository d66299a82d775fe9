-- Samples that are rows and that no reader finds: without their poll, outside of the times that it says, seen by nobody.
-- Those of an entity that retention took are for nobody.
-- plan: scan (all are checked)
SELECT s.poll, s.entity
FROM {table} AS s
LEFT JOIN poll ON poll.id = s.poll
LEFT JOIN entity ON entity.id = s.entity
WHERE poll.id IS NULL OR entity.kind <> :kind
    OR poll.at_min_ms IS NULL OR s.at_ms < poll.at_min_ms OR s.at_ms > poll.at_max_ms
    OR (entity.id IS NOT NULL AND NOT EXISTS (
        SELECT 1
        FROM sighting
        WHERE sighting.entity = s.entity AND sighting.target = poll.target
            AND sighting.sample_from_ms <= s.at_ms AND coalesce(sighting.sample_until_ms >= s.at_ms, TRUE)
    ));

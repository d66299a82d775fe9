-- Every entity that a target lists, for the writer's memory.
-- plan: scan (all are wanted; of an index that holds only these)
SELECT DISTINCT entity.id, entity.kind, entity.identity, entity.ended_ms
FROM sighting
CROSS JOIN entity ON entity.id = sighting.entity
WHERE sighting.last_seen_ms IS NULL;

-- Entities that no target saw, or that have no attributes.
-- plan: scan (all are checked)
SELECT entity.id
FROM entity
WHERE NOT EXISTS (SELECT 1 FROM sighting WHERE sighting.entity = entity.id)
    OR NOT EXISTS (SELECT 1 FROM entity_version AS version WHERE version.entity = entity.id);

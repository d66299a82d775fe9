-- The two newest attribute versions of an entity, newest first.
SELECT entity_version.from_ms, entity_version.attribute_set, attribute_set.body
FROM entity_version
CROSS JOIN attribute_set ON attribute_set.id = entity_version.attribute_set
WHERE entity_version.entity = :entity
ORDER BY entity_version.from_ms DESC
LIMIT 2;

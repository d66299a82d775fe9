-- All attribute versions of an entity.
SELECT from_ms, attribute_set FROM entity_version WHERE entity = :entity;

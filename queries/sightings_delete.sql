-- Deletes what targets saw of an entity.
DELETE FROM sighting WHERE entity = :entity;

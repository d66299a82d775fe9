-- Deletes all rollups of an entity.
DELETE FROM rollup WHERE entity = :entity;

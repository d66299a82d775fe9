-- Deletes all blocks of an entity.
DELETE FROM block WHERE entity = :entity;

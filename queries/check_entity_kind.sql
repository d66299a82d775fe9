-- The kind of an entity.
SELECT kind FROM entity WHERE id = :entity;

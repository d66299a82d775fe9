-- Whether an entity is known.
SELECT 1 FROM entity WHERE id = :entity;

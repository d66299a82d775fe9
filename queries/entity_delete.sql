-- Deletes an entity of which nothing else is kept.
DELETE FROM entity WHERE id = :entity;

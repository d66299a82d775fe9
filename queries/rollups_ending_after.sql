-- The windows of an entity's rollups, from an id on, that end after an instant.
SELECT id, end_ms FROM rollup WHERE entity = :entity AND id >= :id AND end_ms > :at_ms ORDER BY id;

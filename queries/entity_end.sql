-- Sets or clears the end of an entity.
UPDATE entity SET ended_ms = :ended_ms WHERE id = :entity;

-- Puts another attribute set into a version.
UPDATE entity_version SET attribute_set = :attribute_set WHERE entity = :entity AND from_ms = :from_ms;

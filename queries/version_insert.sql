-- Opens an attribute version.
INSERT INTO entity_version (entity, from_ms, attribute_set) VALUES (:entity, :from_ms, :attribute_set);

-- Deletes an attribute version.
DELETE FROM entity_version WHERE entity = :entity AND from_ms = :from_ms;

-- Deletes an attribute set that no version needs any more.
DELETE FROM attribute_set
WHERE id = :attribute_set AND NOT EXISTS (SELECT 1 FROM entity_version WHERE attribute_set = :attribute_set);

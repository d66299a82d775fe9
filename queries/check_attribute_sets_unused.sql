-- Attribute sets that no version needs.
-- plan: scan (all are checked)
SELECT attribute_set.id
FROM attribute_set
WHERE NOT EXISTS (SELECT 1 FROM entity_version AS version WHERE version.attribute_set = attribute_set.id);

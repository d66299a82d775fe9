-- Attribute versions that others had replaced when a cutoff came.
SELECT old.entity, old.from_ms, old.attribute_set
FROM entity_version AS old INDEXED BY entity_version_from
WHERE old.from_ms < :cutoff_ms
    AND EXISTS (
        SELECT 1 FROM entity_version AS later
        WHERE later.entity = old.entity AND later.from_ms > old.from_ms AND later.from_ms <= :cutoff_ms
    )
LIMIT :limit;

-- The attribute versions of an entity that hold at any time of [from, until), oldest first, and at least one.
SELECT version.from_ms, version.attribute_set, attribute_set.body
FROM entity_version AS version
CROSS JOIN attribute_set ON attribute_set.id = version.attribute_set
WHERE version.entity = :entity
    AND version.from_ms >= coalesce(
        (SELECT max(v.from_ms) FROM entity_version AS v WHERE v.entity = :entity AND v.from_ms <= :from_ms),
        (SELECT min(v.from_ms) FROM entity_version AS v WHERE v.entity = :entity)
    )
    AND (
        version.from_ms < :until_ms
        OR version.from_ms <= :from_ms
        OR version.from_ms = (SELECT min(v.from_ms) FROM entity_version AS v WHERE v.entity = :entity)
    )
ORDER BY version.from_ms;

-- The attribute versions of some entities that hold at any time of [from, until), and at least one of each, each with the
-- place of its entity among them.
SELECT version.from_ms, version.attribute_set, wanted.rowid
FROM rarray(:entities) AS wanted
CROSS JOIN entity_version AS version ON version.entity = wanted.value
WHERE version.from_ms >= coalesce(
        (
            SELECT max(held.from_ms)
            FROM entity_version AS held
            WHERE held.entity = wanted.value AND held.from_ms <= :from_ms
        ),
        -9223372036854775808
    )
    AND (
        version.from_ms < :until_ms
        OR version.from_ms <= :from_ms
        OR version.from_ms = (SELECT min(first.from_ms) FROM entity_version AS first WHERE first.entity = wanted.value)
    );

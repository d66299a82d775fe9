-- title: Tags nobody runs
-- about: Tags of the registries that no container of the range was made of, by digest or image id (by name where a
--   container's digest is not known), largest first: what could be deleted, as far as the recorder sees.
-- parameter start time = -30d: containers from here on count as running
-- parameter end time = now: up to here
-- parameter repository glob = *: repositories
-- column registry: the registry
-- column repository: the repository
-- column tag: the tag
-- column digest: what it points at
-- column size_bytes [bytes]: its size, layers that others share included
-- column first_seen: when it was first seen
WITH running AS MATERIALIZED (
    SELECT DISTINCT
        attributes ->> 'image_digest' AS digest,
        attributes ->> 'image_digests' AS digests,
        attributes ->> 'image_id' AS image_id,
        attributes ->> 'image' AS image
    FROM entity
    WHERE kind = 'container' AND last_seen_ms >= :start AND first_seen_ms < :end
),
tags AS MATERIALIZED (
    SELECT
        identity,
        identity ->> 'registry' AS registry,
        identity ->> 'repository' AS repository,
        identity ->> 'tag' AS tag,
        attributes ->> 'digest' AS digest,
        attributes ->> 'image_id' AS image_id,
        first_seen_ms
    FROM entity
    WHERE kind = 'tag' AND ended IS NULL AND identity ->> 'repository' GLOB :repository
),
sizes AS MATERIALIZED (
    SELECT registry, repository, tag, max(at_ms), size_bytes
    FROM tag
    WHERE at_ms >= :end - 604800000 AND at_ms < :end
    GROUP BY registry, repository, tag
)
SELECT registry, repository, tag, digest, size_bytes, iso(first_seen_ms) AS first_seen
FROM tags LEFT JOIN sizes USING (registry, repository, tag)
WHERE NOT EXISTS (
    SELECT 1
    FROM running
    WHERE running.digest = tags.digest
        OR running.image_id = tags.image_id
        OR instr(running.digests, '@' || tags.digest || '"') > 0
        OR (
            running.digest IS NULL
            AND (
                running.image = repository || ':' || tag
                OR substr(running.image, -length(repository || tag) - 2) = '/' || repository || ':' || tag
            )
        )
)
ORDER BY size_bytes DESC NULLS LAST, registry, repository, tag

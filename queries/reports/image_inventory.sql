-- title: Image inventory by digest
-- about: Which images containers were made of that were seen in the range, by digest, else by the image's content id:
--   under which names, on how many hosts, how large, by how many applications.
-- parameter start time = -1h: from here on
-- parameter end time = now: up to here
-- column digest: digest of the manifest, else the image's content id
-- column images: names under which it is used
-- column containers: containers that were seen
-- column hosts: hosts they were on
-- column apps: applications they belong to
-- column size_bytes [bytes]: size on disk, where a host told it
-- column first_seen: when the first of these containers was first seen
WITH made AS MATERIALIZED (
    SELECT
        coalesce(attributes ->> 'image_digest', attributes ->> 'image_id') AS digest,
        attributes ->> 'image_id' AS image_id,
        attributes ->> 'image' AS image,
        attributes ->> 'app' AS app,
        identity ->> 'host' AS host,
        first_seen_ms
    FROM entity
    WHERE kind = 'container' AND last_seen_ms >= :start AND first_seen_ms < :end
),
sizes AS MATERIALIZED (
    SELECT id, max(size_bytes) AS size_bytes
    FROM (SELECT host, id, max(at_ms), size_bytes FROM image WHERE at_ms >= :start - 86400000 AND at_ms < :end GROUP BY host, id)
    GROUP BY id
)
SELECT
    digest,
    group_concat(DISTINCT image) AS images,
    count(*) AS containers,
    count(DISTINCT host) AS hosts,
    count(DISTINCT app) AS apps,
    max(size_bytes) AS size_bytes,
    iso(min(first_seen_ms)) AS first_seen
FROM made LEFT JOIN sizes ON sizes.id = made.image_id
WHERE digest IS NOT NULL
GROUP BY digest
ORDER BY containers DESC, digest

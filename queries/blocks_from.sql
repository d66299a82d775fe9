-- The blocks of an entity, without their bodies: the newest whose id is not above another, and all after it, oldest first.
SELECT id, end_ms, at_min_ms, at_max_ms, layout
FROM block
WHERE entity = :entity
    AND id >= coalesce(
        (SELECT b.id FROM block AS b WHERE b.entity = :entity AND b.id <= :id ORDER BY b.id DESC LIMIT 1), :id
    )
ORDER BY id;

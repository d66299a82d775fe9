-- The newest block of an entity whose id is not above another.
SELECT id, end_ms, at_min_ms, at_max_ms, layout, body
FROM block
WHERE entity = :entity AND id <= :id
ORDER BY id DESC
LIMIT 1;

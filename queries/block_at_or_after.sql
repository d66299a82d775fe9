-- The oldest block of an entity whose id is not below another and that reaches to an instant.
SELECT id, end_ms, at_min_ms, at_max_ms, layout, body
FROM block
WHERE entity = :entity AND id >= :id AND at_max_ms >= :from_ms
ORDER BY id
LIMIT 1;

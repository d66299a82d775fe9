-- The blocks of an entity among ids, oldest first.
SELECT id, end_ms, at_min_ms, at_max_ms, layout, body
FROM block
WHERE entity = :entity AND id >= :id_min AND id <= :id_max
ORDER BY id;

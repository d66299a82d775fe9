-- The blocks of an entity among ids that hold samples of [from, until), oldest first.
SELECT id, end_ms, at_min_ms, at_max_ms, layout, body
FROM block
WHERE entity = :entity AND id >= :id_min AND id <= :id_max AND at_max_ms >= :from_ms AND at_min_ms < :until_ms
ORDER BY id;

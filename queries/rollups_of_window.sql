-- The rollups of an entity among ids, oldest first.
SELECT id, end_ms, until_ms, first_ms, last_ms, before_ms, after_ms, is_merged, layout
FROM rollup
WHERE entity = :entity AND id >= :id_min AND id <= :id_max
ORDER BY id;

-- The oldest rollup of an entity whose id is not below another.
SELECT id, end_ms, until_ms, first_ms, last_ms, before_ms, after_ms, is_merged, layout
FROM rollup
WHERE entity = :entity AND id >= :id
ORDER BY id
LIMIT 1;

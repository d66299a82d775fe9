-- The oldest rollups that were not merged yet, up to an id, with the kinds of their entities.
SELECT rollup.id, rollup.entity, entity.kind
FROM rollup INDEXED BY rollup_unmerged
CROSS JOIN entity ON entity.id = rollup.entity
WHERE rollup.is_merged = 0 AND rollup.id <= :id_max
ORDER BY rollup.id
LIMIT :limit;

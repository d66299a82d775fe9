-- The oldest blocks that were not merged yet, up to an id, with the kinds of their entities.
SELECT block.id, block.entity, entity.kind
FROM block INDEXED BY block_unmerged
CROSS JOIN entity ON entity.id = block.entity
WHERE block.is_merged = 0 AND block.id <= :id_max
ORDER BY block.id
LIMIT :limit;

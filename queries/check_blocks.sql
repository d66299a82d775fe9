-- All blocks, oldest window first, with the kinds of their entities.
-- plan: scan (all are checked)
SELECT
    block.id, block.entity, block.end_ms, block.at_min_ms, block.at_max_ms, block.poll_min, block.poll_max,
    block.samples, block.is_merged, block.layout, entity.kind, block.body
FROM block
LEFT JOIN entity ON entity.id = block.entity
ORDER BY block.id;

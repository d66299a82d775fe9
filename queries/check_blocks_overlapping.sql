-- Blocks that reach into the window of the entity's next one.
-- plan: scan (all are checked)
SELECT block.id
FROM block
WHERE block.end_ms > (
    SELECT (next.id >> 30) * 60000
    FROM block AS next
    WHERE next.entity = block.entity AND next.id > block.id
    ORDER BY next.id
    LIMIT 1
);

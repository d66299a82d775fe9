-- Entity and time of the samples that are rows although a block reaches beyond them.
-- plan: scan (all are checked)
SELECT s.entity, s.at_ms
FROM {table} AS s
WHERE s.at_ms <= (
    SELECT block.at_max_ms
    FROM block
    WHERE block.entity = s.entity AND block.id <= (((s.at_ms / 60000) << 30) | s.entity)
    ORDER BY block.id DESC
    LIMIT 1
);

-- Deletes the oldest rollups whose windows end before a cutoff, of entities that no older sample is kept of.
DELETE FROM rollup
WHERE id IN (
    SELECT old.id
    FROM rollup AS old
    WHERE old.id < :id_end AND old.end_ms <= :cutoff_ms
        AND NOT EXISTS (
            SELECT 1 FROM block WHERE block.entity = old.entity AND block.id < (old.end_ms / 60000) << 30
        )
    ORDER BY old.id
    LIMIT :limit
);

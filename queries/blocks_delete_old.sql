-- Deletes the oldest blocks, none of whose samples is as new as a cutoff and none of whose polls is kept.
DELETE FROM block
WHERE id IN (
    SELECT old.id
    FROM block AS old
    WHERE old.id < :id_end AND old.at_max_ms < :cutoff_ms
        AND NOT EXISTS (SELECT 1 FROM poll WHERE poll.id >= old.poll_min AND poll.id <= old.poll_max)
    ORDER BY old.id
    LIMIT :limit
);

-- The oldest polls of a target that started before a cutoff and took no sample at or after it, with the number of
-- their samples that may still be in the journal.
SELECT id, CASE WHEN at_min_ms IS NULL THEN 0 ELSE samples END
FROM poll
WHERE target = :target AND started_ms < :cutoff_ms AND coalesce(at_max_ms < :cutoff_ms, TRUE)
ORDER BY started_ms, id
LIMIT :limit;

-- Deletes the oldest rollups whose windows end before a cutoff.
DELETE FROM rollup
WHERE id IN (SELECT old.id FROM rollup AS old WHERE old.id < :id_end AND old.end_ms <= :cutoff_ms ORDER BY old.id LIMIT :limit);

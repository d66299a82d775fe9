-- Deletes some of the oldest events before a cutoff.
DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at_ms < :cutoff_ms ORDER BY at_ms, id LIMIT :limit);
